package mysqlout

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
)

// leastPacket is the smallest max_allowed_packet with which a start is not refused.
const leastPacket = 16 << 10

// P20: dead letters are written by the compressed protocol too, and also after the limit was lowered since the server
// was inspected.
func TestP20_DeadLettersOverTheCompressedProtocol(t *testing.T) {
	t.Parallel()
	for _, packet := range []int{leastPacket, 1 << 20} {
		server := mariadbtest.Start(t, mariadbtest.Args(fmt.Sprintf("--max-allowed-packet=%d", packet)))
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(packet, ", known ", known), func(t *testing.T) {
				c := testConfig()
				c.DeadLetterMaxBytes, c.Job = 8<<20, strings.Repeat("\U0001F600", sqltext.MaxJob)
				table := sqltest.CountsTable()
				db := &sqltest.DB{Server: server, Name: server.Database(t)}
				dsn, err := mysql.ParseDSN(server.DSN(db.Name))
				if err != nil {
					t.Fatal(err)
				}
				if err := dsn.Apply(mysql.EnableCompression(true)); err != nil {
					t.Fatal(err)
				}
				db.Pool, db.SQL = sqltest.OpenPool(t, sqltest.Quick(dsn.FormatDSN())), sqltest.OpenSQL(t, server.DSN(db.Name))
				f := newFixture(t, db, c)
				f.prepare(t, table)
				if !known {
					f.sink.packet = 64 << 20
				}
				at := mustClaim(t, f.sink, 0)
				p := taskBatch(1, 8, countsDelta(&table, map[string]int64{"a": 4}), at...)
				for offset := range 4 {
					value := bytes.Repeat([]byte{0, 0xff, '\'', 'a'}, 2<<20)[:8<<20>>(offset*4)]
					p.Dead = append(p.Dead, batch.DeadLetter{
						Partition: at[0].Partition, Offset: int64(offset), Table: strings.Repeat("\u00e4", sqltext.MaxName),
						Reason: strings.Repeat("'", sqltext.MaxReason), Detail: strings.Repeat("\\", sqltext.MaxDetail), Value: value, Length: int64(len(value)),
					})
				}
				p.Advances[0].Audit = checkpoint.Audit{Counted: 4, Dead: 4}
				err = f.sink.Commit(t.Context(), p)
				for tries := 0; errors.Is(err, checkpoint.ErrRetry) && tries < 30; tries++ {
					err = f.sink.Commit(t.Context(), p)
				}
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("4 %d %d %d", 8<<20>>12, sqltext.MaxReason, sqltext.MaxDetail)
				if got := f.Text(t, "SELECT COUNT(*), MIN(value_length), MIN(CHAR_LENGTH(reason)), MIN(CHAR_LENGTH(detail)) FROM etl_dead_letter"); got != want {
					t.Errorf("dead letters: %s, expected %s", got, want)
				}
			})
		}
	}
}

// A limit that is too small for the text that cannot be cut is refused. With the smallest accepted limit, a first claim
// inserts the checkpoints of thousands of partitions.
func TestP20_TheSmallestPacket(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Args(fmt.Sprintf("--max-allowed-packet=%d", leastPacket-1024)))
	s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(server.DSN(server.Database(t)))), nil, nil)
	if _, err := s.Prepare(t.Context(), nil); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "max_allowed_packet is 15360 bytes, must be at least 16384") {
		t.Errorf("got %v, expected a refusal", err)
	}
	f := open(t, mariadbtest.Start(t, mariadbtest.Args(fmt.Sprintf("--max-allowed-packet=%d", leastPacket))), testConfig())
	const partitions = 3000
	if _, err := f.sink.Claim(t.Context(), topic(partitions), []int32{7, partitions - 1}); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, "SELECT COUNT(*), MAX(partition_id), SUM(epoch) FROM etl_checkpoint"); got != "3000 2999 2" {
		t.Errorf("checkpoints are %s, expected %q", got, "3000 2999 2")
	}
}
