package mysqlout

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// P20: every dead letter is written, regardless of its content and of the server's limit for one statement: its value
// is cut, and its reason only if that is not enough. Dead letters that fit alone but not together are written one by
// one.
func TestP20_ADeadLetterIsAlwaysWritten(t *testing.T) {
	t.Parallel()
	reasons := []string{strings.Repeat("'", 3000), strings.Repeat("\U0001F600", 1024), "short", strings.Repeat("\\", 1024)}
	for _, packet := range []int{16 << 10, 1 << 20} {
		server := mariadbtest.Start(t, mariadbtest.Args(fmt.Sprintf("--max-allowed-packet=%d", packet)))
		for _, known := range []string{"known", "unknown", "lowered"} {
			t.Run(fmt.Sprint(packet, " ", known), func(t *testing.T) {
				c := testConfig()
				c.DeadLetterMaxBytes = 8 << 20
				table := sqltest.CountsTable()
				f := open(t, server, c, table)
				switch known {
				case "unknown":
					f.sink.packet = 0
				case "lowered": // after the server was inspected
					f.sink.packet = 64 << 20
				}
				at := mustClaim(t, f.sink, 0)
				p := taskBatch(1, 16, countsDelta(&table, map[string]int64{"a": 4}), at...)
				var lengths []int
				for offset := range 12 {
					length := []int{8 << 20, packet / 2, packet / 5, 3}[offset%4]
					lengths = append(lengths, length)
					p.Dead = append(p.Dead, batch.DeadLetter{
						Partition: at[0].Partition, Offset: int64(offset), Table: "counts", Reason: reasons[offset/3%4],
						Value: bytes.Repeat([]byte{0, 0xff, '\''}, 8<<20/3+1)[:length], Length: int64(length),
					})
				}
				p.Advances[0].Audit = checkpoint.Audit{Counted: 4, Dead: 12}
				err, tries := f.sink.Commit(t.Context(), p), 1
				for ; errors.Is(err, checkpoint.ErrRetry) && tries < 30; tries++ {
					err = f.sink.Commit(t.Context(), p)
				}
				if err != nil {
					t.Fatalf("after %d tries: %v", tries, err)
				}
				if known == "known" && tries > 1 {
					t.Errorf("%d attempts with a known limit, expected one", tries)
				}
				rows := strings.Split(f.Text(t, "SELECT record_offset, value_length, LENGTH(value), CHAR_LENGTH(reason) FROM etl_dead_letter ORDER BY 1"), "\n")
				if len(rows) != 12 {
					t.Fatalf("%d dead letters, expected 12", len(rows))
				}
				for i, text := range rows {
					var offset, length, kept, reason int
					if _, err := fmt.Sscan(text, &offset, &length, &kept, &reason); err != nil {
						t.Fatal(err)
					}
					if wanted := min(1024, len([]rune(reasons[i/3%4]))); length != lengths[i] || reason != wanted {
						t.Errorf("dead letter %d: length %d and reason %d, expected %d and %d", i, length, reason, lengths[i], wanted)
					}
					if low := min(lengths[i], packet/9); kept < low || kept > lengths[i] {
						t.Errorf("dead letter %d keeps %d bytes of %d, expected at least %d", i, kept, lengths[i], low)
					}
				}
				if got := f.Text(t, "SELECT item, n FROM counts"); got != "a 4" {
					t.Errorf("counts are %s, expected %q", got, "a 4")
				}
			})
		}
	}
}

// P17: rows that fit alone but not in one statement with their neighbors are sent in two statements. The row that can
// never fit is rejected, and no other.
func TestP17_LongRowsAreSentSeparately(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Args("--max-allowed-packet=32768"))
	table := row.Table{Name: "texts", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "v", Kind: row.Text, Merge: row.Last, Nullable: true, MaxBytes: 1 << 20},
	}}
	f := open(t, server, testConfig())
	f.Exec(t, "CREATE TABLE texts (k BIGINT PRIMARY KEY, v MEDIUMTEXT NULL) CHARSET utf8mb4")
	f.prepare(t, table)
	at := mustClaim(t, f.sink, 0)
	rows := func(lengths ...int) row.Delta {
		return row.Delta{Tables: []*row.Rows{rowsOf(&table, len(lengths),
			func(i int) []byte { return row.AppendKeyNumber(nil, row.FromInt(int64(i))) },
			func(r *row.Rows, i int, c []row.Cell) { r.SetBytes(&c[0], bytes.Repeat([]byte{'x'}, lengths[i])) })}}
	}
	refused := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, 5, rows(15_000, 30_000, 40_000, 3, 15_000), at...)))
	if len(refused) != 1 || !strings.Contains(refused[0].Reason, "max_allowed_packet") {
		t.Fatalf("rejected %+v, expected the row of 40,000 bytes", refused)
	}
	if k, _ := row.KeyNumber(refused[0].Key); k != row.FromInt(2) {
		t.Errorf("rejected row %v, expected 2", k)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(2, 5, rows(15_000, 30_000, 3, 3, 15_000), at...)); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, "SELECT COUNT(*), SUM(LENGTH(v)) FROM texts"); got != "5 60006" {
		t.Errorf("stored is %s, expected %q", got, "5 60006")
	}
}
