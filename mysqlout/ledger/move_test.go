package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A move changes the offset, the epoch and the owner, stores its reason, and keeps the audit balanced, in both
// directions. Event IDs of records that will be read again are removed (P28). A dry run changes nothing.
func TestMoveCheckpoint(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		f.checkpoint(t, "job", logs(0), 5, 10)
		f.checkpoint(t, "job", logs(1), 0, 10)
		f.ids(t, "job", logs(0), 5, 10)
		f.ids(t, "job", logs(1), 5, 10)
		f.ids(t, "other job", logs(0), 5, 10)
		stored := func() string {
			t.Helper()
			return f.Text(t, "SELECT partition_id, first_offset, next_offset, leader_epoch, epoch, counted, skipped, HEX(topic_id) FROM etl_checkpoint ORDER BY 1") +
				"\n" + f.Text(t, "SELECT kind, reason, record_offset, next_offset, records FROM etl_dead_letter ORDER BY reason")
		}
		move := func(next int64, reason string, topic *checkpoint.TopicID) {
			t.Helper()
			c := CheckpointMove{Partition: logs(0), Next: next, Reason: reason, TopicID: topic, DryRun: true}
			before := stored()
			_, planned, err := f.MoveCheckpoint(t.Context(), c)
			if after := stored(); err != nil || after != before {
				t.Errorf("dry run to %d: error %v; checkpoints were\n%s\nand are\n%s", next, err, before, after)
			}
			c.DryRun = false
			was, is, err := f.MoveCheckpoint(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			now, err := f.Offsets(t.Context(), "logs")
			if err != nil {
				t.Fatal(err)
			}
			if got := now[0].Checkpoint; got != is || is.Owner == was.Owner || is.Epoch != was.Epoch+1 {
				t.Errorf("to %d: was %+v, returned %+v, is %+v; expected another owner and the next epoch", next, was, is, got)
			}
			if a := is.Audit; a.Counted+a.Filtered+a.Dead+a.Gaps+a.Duplicates+a.Skipped != is.Next-is.First {
				t.Errorf("to %d: the audit %+v does not account for %d to %d", next, a, is.First, is.Next)
			}
			planned.Owner = is.Owner
			if planned != is {
				t.Errorf("to %d: the dry run returned %+v, the move %+v", next, planned, is)
			}
		}
		ids := func(want ...int64) {
			t.Helper()
			if got := f.remembered(t, logs(0), 100, 100); !slices.Equal(got, want) {
				t.Errorf("event IDs are of the offsets %v, expected %v", got, want)
			}
		}
		tail := strings.Repeat("0", 30) + "11"
		move(15, "a lost", nil)
		ids(5, 6, 7, 8, 9)
		move(8, "b again", nil)
		ids(5, 6, 7)
		want := "0 5 8 -1 5 5 -2 " + tail + "\n1 0 10 7 3 10 0 " + tail + "\nskipped a lost 10 15 5\nskipped b again 15 8 -7"
		if got := stored(); got != want {
			t.Errorf("checkpoints and notes are\n%s\nexpected\n%s", got, want)
		}
		topic := checkpoint.TopicID{0xab}
		move(3, "c recreated", &topic)
		ids()
		want = "0 3 3 -1 6 0 0 AB" + strings.Repeat("0", 30) + "\n1 0 10 7 3 10 0 " + tail + "\nskipped a lost 10 15 5\nskipped b again 15 8 -7\nskipped c recreated 8 3 -5"
		if got := stored(); got != want {
			t.Errorf("checkpoints and notes are\n%s\nexpected\n%s", got, want)
		}
		if got := f.Text(t, "SELECT COUNT(*) FROM etl_dedup"); got != "10" {
			t.Errorf("%s event IDs of the other partition and job are left, expected 10", got)
		}
	})
}

// A move that makes no sense is rejected and changes nothing.
func TestMoveCheckpoint_rejected(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	f := open(t, server)
	f.checkpoint(t, "job", logs(0), 5, 10)
	before := f.Text(t, "SELECT * FROM etl_checkpoint")
	for _, test := range []struct {
		move CheckpointMove
		want string
	}{
		{CheckpointMove{Partition: logs(0), Next: 8}, "and a reason"},
		{CheckpointMove{Partition: logs(0), Next: -1, Reason: "r"}, "an offset of 0 or more"},
		{CheckpointMove{Partition: logs(0), Next: 4, Reason: "r"}, "the job began at offset 5"},
		{CheckpointMove{Partition: logs(1), Next: 8, Reason: "r"}, "job job has no checkpoint of that partition"},
	} {
		if _, _, err := f.MoveCheckpoint(t.Context(), test.move); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got error %v, expected %q", test.move, err, test.want)
		}
	}
	after := f.Text(t, "SELECT * FROM etl_checkpoint") + f.Text(t, "SELECT * FROM etl_dead_letter")
	if after != before {
		t.Errorf("the tables were\n%s\nand are\n%s", before, after)
	}
	empty := New("job", sqltest.Open(t, server).Pool)
	if _, _, err := empty.MoveCheckpoint(t.Context(), CheckpointMove{Partition: logs(0), Next: 1, Reason: "r"}); !errors.Is(err, errNoJobs) {
		t.Errorf("a database without tables: got %v, expected %v", err, errNoJobs)
	}
}

// A job that stores no event IDs has no etl_dedup, and its checkpoints can be moved.
func TestMoveCheckpoint_withoutEventIDs(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.checkpoint(t, "job", logs(0), 5, 10)
	f.Exec(t, "DROP TABLE etl_dedup")
	if _, is, err := f.MoveCheckpoint(t.Context(), CheckpointMove{Partition: logs(0), Next: 8, Reason: "r"}); err != nil || is.Next != 8 {
		t.Errorf("got %+v, %v, expected offset 8", is, err)
	}
	if got := f.Text(t, "SELECT next_offset FROM etl_checkpoint"); got != fmt.Sprint(8) {
		t.Errorf("the offset is %s, expected 8", got)
	}
}
