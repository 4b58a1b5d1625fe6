package mysqlout

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A claim compares every partition that it claims, names those that differ in its refusal, and changes nothing.
func TestP7_EveryClaimedPartitionIsCompared(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	mustClaim(t, f.sink, 0, 1, 2, 3)
	for _, change := range []string{"topic_id", "query_hash"} {
		f.Exec(t, "CREATE TABLE kept SELECT * FROM etl_checkpoint", "UPDATE etl_checkpoint SET "+change+" = x'77' WHERE partition_id IN (1, 3)")
		const state = "SELECT partition_id, epoch, HEX(owner), next_offset FROM etl_checkpoint ORDER BY partition_id"
		before := f.Text(t, state)
		_, err := f.sink.Claim(t.Context(), topic(8), []int32{0, 1, 2, 3})
		if want := []checkpoint.Partition{{Topic: "logs", ID: 1}, {Topic: "logs", ID: 3}}; !errors.Is(err, checkpoint.ErrRefused) || !slices.Equal(named(err), want) {
			t.Errorf("another %s: error is %v, naming %v, expected a refusal of %v", change, err, named(err), want)
		}
		if after := f.Text(t, state); after != before {
			t.Errorf("another %s: checkpoints were\n%s\nand are\n%s", change, before, after)
		}
		f.Exec(t, "DELETE FROM etl_checkpoint", "INSERT INTO etl_checkpoint SELECT * FROM kept", "DROP TABLE kept")
	}
	if at := mustClaim(t, f.sink, 0, 1, 2, 3); at[3].Epoch != 2 {
		t.Errorf("epoch is %d, expected 2", at[3].Epoch)
	}
}

// A partition was added to the topic, and another process inserts its checkpoint just before a claim that found none
// inserts its own. The claim reads and compares again.
func TestP7_ConcurrentFirstInsertIsDetected(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	mustClaim(t, f.sink, 0)
	s, proxy := f.through(t)
	var once sync.Once
	proxy.Intrude(func(statement string) bool {
		if strings.HasPrefix(statement, "INSERT INTO etl_checkpoint") || strings.HasPrefix(statement, "INSERT IGNORE INTO etl_checkpoint") {
			once.Do(func() {
				if _, err := f.sink.Claim(t.Context(), topic(9), []int32{8}); err != nil {
					t.Error(err)
				}
				f.Exec(t, "UPDATE etl_checkpoint SET query_hash = x'77' WHERE job = 'job' AND topic = 'logs' AND partition_id = 8")
			})
		}
		return false
	})
	_, err := s.Claim(t.Context(), topic(9), []int32{8})
	if !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("error is %v, expected a refusal: the checkpoint is another query's", err)
	}
	if got := f.Text(t, "SELECT epoch FROM etl_checkpoint WHERE partition_id = 8"); got != "1" {
		t.Errorf("the epoch is %s, expected the other's 1", got)
	}
}

// The first claim, of one partition, fixes the start of all of them: at --start, with equal next_offset and
// first_offset. A partition that appears later begins at its first record, even if --start is different by then.
func TestP5_TheFirstClaimFixesAllStarts(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	const state = "SELECT partition_id, first_offset, next_offset FROM etl_checkpoint ORDER BY partition_id"
	at := batch.Topic{Name: "logs", ID: checkpoint.TopicID{1}, Starts: []int64{50, 60, 70}, Firsts: []int64{5, 6, 7}}
	claim := func(id int32, want string) {
		t.Helper()
		if _, err := f.sink.Claim(t.Context(), at, []int32{id}); err != nil {
			t.Fatal(err)
		}
		if got := f.Text(t, state); got != want {
			t.Errorf("checkpoints are\n%s\nexpected\n%s", got, want)
		}
	}
	claim(1, "0 50 50\n1 60 60\n2 70 70")
	at.Starts, at.Firsts = []int64{51, 61, 71, 80, 90}, []int64{5, 6, 7, 8, 9}
	claim(0, "0 50 50\n1 60 60\n2 70 70")
	claim(3, "0 50 50\n1 60 60\n2 70 70\n3 8 8\n4 9 9")
}
