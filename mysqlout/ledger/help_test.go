package ledger

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is the ledger of the job "job" in a database that has the job's own tables.
type fixture struct {
	*sqltest.DB
	*Ledger
}

func newFixture(t testing.TB, db *sqltest.DB) *fixture {
	t.Helper()
	if err := schema.New(schema.Options{Job: "job", Dedup: true, Replay: true}, db.Pool, nil).Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return &fixture{DB: db, Ledger: New("job", db.Pool)}
}

func open(t testing.TB, server *mariadbtest.Server) *fixture {
	t.Helper()
	return newFixture(t, sqltest.Open(t, server))
}

// onEachServer runs a test with a MariaDB (or the server of ETL_TEST_DSN), and with the embedded server.
func onEachServer(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, mariadbtest.Start(t)))
	})
	t.Run("embedded", func(t *testing.T) { test(t, newFixture(t, sqltest.Embedded(t))) })
}

func logs(id int32) checkpoint.Partition { return checkpoint.Partition{Topic: "logs", ID: id} }

// checkpoint inserts the checkpoint of a job's partition, with the records from first to next counted.
func (f *fixture) checkpoint(t testing.TB, job string, p checkpoint.Partition, first, next int64) {
	t.Helper()
	f.Exec(t, fmt.Sprintf("INSERT INTO etl_checkpoint (job, topic, partition_id, topic_id, leader_epoch, next_offset, epoch, owner, "+
		"connection_id, batch_id, query_hash, first_offset, counted, updated_at) VALUES ('%s', '%s', %d, x'%032x', 7, %d, 3, x'%032x', 9, x'%032x', x'%064x', %d, %d, UTC_TIMESTAMP(6))",
		job, p.Topic, p.ID, 0x11, next, 0x22, 0x33, 0x44, first, next-first))
}

// ids inserts the event IDs of these offsets of a job's partition. An ID is its offset, and its time the offset in
// seconds.
func (f *fixture) ids(t testing.TB, job string, p checkpoint.Partition, from, to int64) {
	t.Helper()
	for o := from; o < to; o++ {
		f.Exec(t, fmt.Sprintf("INSERT INTO etl_dedup (job, topic, partition_id, id, record_offset, record_timestamp) VALUES ('%s', '%s', %d, x'%032x', %d, %d)",
			job, p.Topic, p.ID, o, o, 1000*o))
	}
}

// remembered returns the offsets of the event IDs that LoadIDs returns, in its order.
func (f *fixture) remembered(t testing.TB, p checkpoint.Partition, before int64, most int) (offsets []int64) {
	t.Helper()
	if err := f.LoadIDs(t.Context(), p, before, most, func(id [16]byte, ms int64) {
		o := ms / 1000
		if want := fmt.Sprintf("%032x", o); fmt.Sprintf("%x", id) != want {
			t.Errorf("the ID at offset %d is %x, expected %s", o, id, want)
		}
		offsets = append(offsets, o)
	}); err != nil {
		t.Fatal(err)
	}
	return offsets
}
