package ledger

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
)

// Checkpoints are read with all columns, in order of partition, and only those of the job and the topic.
func TestRead_columnsAndOrder(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		for _, id := range []int32{10, 2, 0} {
			f.checkpoint(t, "job", logs(id), 5, 8+int64(id))
		}
		f.checkpoint(t, "other job", logs(1), 0, 1)
		f.checkpoint(t, "job", checkpoint.Partition{Topic: "other"}, 0, 1)
		row := func(id int32) Row {
			r := Row{ConnectionID: 9}
			r.Partition, r.LeaderEpoch, r.Epoch, r.First, r.Next = logs(id), 7, 3, 5, 8+int64(id)
			r.TopicID[15], r.Owner[15], r.Batch[15], r.QueryHash[31] = 0x11, 0x22, 0x33, 0x44
			r.Audit.Counted = r.Next - r.First
			return r
		}
		got, err := f.Offsets(t.Context(), "logs")
		if diff := cmp.Diff([]Row{row(0), row(2), row(10)}, got); err != nil || diff != "" {
			t.Errorf("all checkpoints: error %v; expected (-) and got (+) differ:\n%s", err, diff)
		}
		tx, err := f.Pool.Tx(t.Context(), pool.PriorityHigh)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		for _, locking := range []bool{false, true} {
			got, err := f.Read(t.Context(), tx, "logs", []int32{10, 1, 2}, locking)
			if diff := cmp.Diff([]Row{row(2), row(10)}, got); err != nil || diff != "" {
				t.Errorf("partitions 10, 1 and 2, locking %v: error %v; expected (-) and got (+) differ:\n%s", locking, err, diff)
			}
		}
		last, err := f.Last(t.Context(), tx, "logs")
		if want := (Last{Partition: 10, TopicID: row(10).TopicID}); err != nil || last != want {
			t.Errorf("the last partition is %+v, %v, expected %+v", last, err, want)
		}
		if last, err := f.Last(t.Context(), tx, "none"); err != nil || last.Partition != -1 {
			t.Errorf("the last partition of a topic without checkpoints is %+v, %v, expected -1", last, err)
		}
	})
}

// A database without Sluice's tables is reported as one on which no job has run.
func TestOffsets_withoutTables(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	if got, err := New("job", db.Pool).Offsets(t.Context(), "logs"); !errors.Is(err, errNoJobs) {
		t.Errorf("got %v, %v, expected %v", got, err, errNoJobs)
	}
}

// A topic may be created as long as no partition of it has a checkpoint of this job. One of partition 0 alone is enough
// to prevent that, those of other topics and jobs do not count, and a failed query does not mean that there is none.
func TestP26_ATopicWithAnyCheckpointIsNotRecreated(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	want := func(l *Ledger, name string, has bool) {
		t.Helper()
		if got, err := l.HasCheckpoint(t.Context(), name); err != nil || got != has {
			t.Errorf("topic %s: %v, %v, expected %v", name, got, err, has)
		}
	}
	want(f.Ledger, "logs", false)
	f.checkpoint(t, "job", logs(0), 0, 0)
	want(f.Ledger, "logs", true)
	want(f.Ledger, "log", false)
	want(New("other", f.Pool), "logs", false)
	f.Exec(t, "ALTER TABLE etl_checkpoint DROP COLUMN topic_id")
	if has, err := f.HasCheckpoint(t.Context(), "logs"); err == nil {
		t.Errorf("without a column that is needed: %v and no error", has)
	}
	f.Exec(t, "DROP TABLE etl_checkpoint")
	want(f.Ledger, "logs", false)
}
