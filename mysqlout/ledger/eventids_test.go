package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// P28: the newest event IDs below an offset are read, in the order of their records, and only those of the job and the
// partition. They expire by number and by age, each partition by its own records.
func TestP28_idsAreReadAndPruned(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		f.checkpoint(t, "job", logs(0), 0, 10)
		f.checkpoint(t, "job", logs(1), 0, 30)
		f.ids(t, "job", logs(0), 0, 10)
		f.ids(t, "job", logs(1), 20, 30)
		f.ids(t, "other job", logs(0), 0, 10)
		f.ids(t, "job", checkpoint.Partition{Topic: "other"}, 0, 10)
		want := func(p checkpoint.Partition, before int64, most int, want ...int64) {
			t.Helper()
			if got := f.remembered(t, p, before, most); !slices.Equal(got, want) {
				t.Errorf("%v, at most %d below %d: got the offsets %v, expected %v", p, most, before, got, want)
			}
		}
		want(logs(0), 10, 100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		want(logs(0), 7, 3, 4, 5, 6)
		want(logs(2), 10, 100)
		if n, err := f.PruneIDs(t.Context(), "logs", time.Hour, 8); err != nil || n != 4 {
			t.Errorf("pruned %d, %v, expected the two oldest of each partition", n, err)
		}
		want(logs(0), 100, 100, 2, 3, 4, 5, 6, 7, 8, 9)
		want(logs(1), 100, 100, 22, 23, 24, 25, 26, 27, 28, 29)
		if n, err := f.PruneIDs(t.Context(), "logs", 5*time.Second, 100); err != nil || n != 4 {
			t.Errorf("pruned %d, %v, expected those of each partition that are older than 5 s", n, err)
		}
		want(logs(0), 100, 100, 4, 5, 6, 7, 8, 9)
		want(logs(1), 100, 100, 24, 25, 26, 27, 28, 29)
		if got := f.Text(t, "SELECT COUNT(*) FROM etl_dedup WHERE job <> 'job' OR topic <> 'logs'"); got != "20" {
			t.Errorf("%s event IDs of another job and another topic are left, expected 20", got)
		}
	})
}

// The window consists of records that are counted: neither rows below the checkpoint, nor a record whose producer's
// clock is far ahead, end it.
func TestP28_pruneKeepsTheWindow(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.checkpoint(t, "job", logs(0), 0, 10)
	f.ids(t, "job", logs(0), 0, 10)
	f.Exec(t,
		"UPDATE etl_dedup SET record_timestamp = 1000 * UNIX_TIMESTAMP()",
		"UPDATE etl_dedup SET record_timestamp = 0 WHERE record_offset = 0",
		"UPDATE etl_dedup SET record_timestamp = 4102444800000 WHERE record_offset = 9", // the year 2100
		"INSERT INTO etl_dedup SELECT job, topic, partition_id, UNHEX(MD5(id)), 1000 + record_offset, record_timestamp FROM etl_dedup")
	if n, err := f.PruneIDs(t.Context(), "logs", time.Hour, 8); err != nil || n != 2 {
		t.Errorf("pruned %d, %v, expected 2 beyond 8", n, err)
	}
	if n, err := f.PruneIDs(t.Context(), "logs", time.Hour, 100); err != nil || n != 0 {
		t.Errorf("pruned %d, %v, expected none", n, err)
	}
	if got := f.Text(t, "SELECT COUNT(*), MIN(record_offset) FROM etl_dedup"); got != "18 2" {
		t.Errorf("left are %s, expected 18 from 2 on", got)
	}
}

// IDs are removed in batches until none is left that has expired.
func TestP28_pruneInBatches(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.checkpoint(t, "job", logs(0), 0, 1<<12)
	f.ids(t, "job", logs(0), 0, 1)
	for n := int64(1); n < 1<<12; n *= 2 {
		f.Exec(t, fmt.Sprintf("INSERT INTO etl_dedup SELECT job, topic, partition_id, UNHEX(MD5(record_offset + %[1]d)), record_offset + %[1]d, record_timestamp FROM etl_dedup", n))
	}
	if n, err := f.PruneIDs(t.Context(), "logs", time.Hour, 96); err != nil || n != 4000 {
		t.Errorf("pruned %d, %v, expected 4000", n, err)
	}
	if got := f.Text(t, "SELECT COUNT(*), MIN(record_offset) FROM etl_dedup"); got != "96 4000" {
		t.Errorf("left are %s, expected 96 from 4000 on", got)
	}
}
