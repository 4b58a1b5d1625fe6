package mysqlout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// again returns another process of the same job.
func (f *fixture) again(t *testing.T, c Config) *Sink {
	t.Helper()
	s := New(c, f.Pool, nil, nil)
	if _, err := s.Prepare(t.Context(), f.tables); err != nil {
		t.Fatal(err)
	}
	return s
}

// An operator deletes one checkpoint. The process that held it stops, and its supervisor starts another, which never
// held the checkpoint. The new process must not take it for that of a partition that appeared later, which would begin
// at its first record.
func TestP3_ADeletedCheckpointIsNotANewPartition(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	mustClaim(t, f.sink, 0, 1, 2)
	f.Exec(t, "DELETE FROM etl_checkpoint WHERE partition_id = 1")
	s := f.again(t, testConfig())
	if err := s.CheckStart(t.Context(), topic(8)); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("a start is allowed: %v, expected %v", err, checkpoint.ErrRefused)
	}
	_, err := s.Claim(t.Context(), topic(8), []int32{0, 1})
	var refused *checkpoint.Error
	if !errors.Is(err, checkpoint.ErrRefused) || !errors.As(err, &refused) || len(refused.Partitions) != 1 || refused.Partitions[0].ID != 1 {
		t.Errorf("error is %v, expected partition 1 refused", err)
	}
	if _, err := s.Claim(t.Context(), topic(8), []int32{0}); err != nil {
		t.Errorf("its neighbour is not claimed: %v", err)
	}
}

// Partitions that are added get all of their checkpoints in one transaction, so a missing one below the last was
// deleted.
func TestP5_NewPartitionsBeginAtTheirFirstRecord(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	mustClaim(t, f.sink, 0)
	more := topic(11)
	for i := range more.Starts {
		more.Starts[i], more.Firsts[i] = 1000, int64(i)
	}
	at, err := f.again(t, testConfig()).Claim(t.Context(), more, []int32{9})
	if err != nil || at[0].Next != 9 || at[0].First != 9 {
		t.Fatalf("claimed %+v, %v, expected it at 9", at, err)
	}
	at, err = f.sink.Claim(t.Context(), more, []int32{8, 10})
	if err != nil || at[0].Next != 8 || at[1].Next != 10 {
		t.Fatalf("claimed %+v, %v, expected 8 and 10", at, err)
	}
}

// A recreated topic may have more partitions than the counted one: its new partitions are refused as well.
func TestP4_NewPartitionsOfANewTopicAreRefused(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	mustClaim(t, f.sink, 0)
	recreated := topic(9)
	recreated.ID = checkpoint.TopicID{2}
	if _, err := f.sink.Claim(t.Context(), recreated, []int32{8}); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("error is %v, expected a refusal", err)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM etl_checkpoint"); got != "8" {
		t.Errorf("%s checkpoints, expected 8", got)
	}
}

// Two new jobs find the same empty table, which belongs to no job yet. The second one to register it must not take it
// from the first. A lock on the table delays the second job between the two steps.
func TestP3_TwoNewJobsOneTable(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	lock, err := f.SQL.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLES counts WRITE"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.sink.Claim(t.Context(), topic(1), []int32{0})
		done <- err
	}()
	sqltest.Eventually(t, "the second looks into the table", 5*time.Second, func() bool {
		return f.Text(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'") == "1"
	})
	f.Exec(t, "INSERT INTO etl_target (table_name, job, query_hash, query_text, since) "+
		"VALUES ('counts', 'the first', REPEAT('x', 32), '', UTC_TIMESTAMP(6))")
	if _, err := lock.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), `belongs to job "the first"`) {
		t.Errorf("error is %v, expected a refusal that names the job", err)
	}
	if got := f.Text(t, "SELECT job FROM etl_target"); got != "the first" {
		t.Errorf("the table belongs to %q, expected %q", got, "the first")
	}
}
