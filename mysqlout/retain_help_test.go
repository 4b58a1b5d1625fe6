package mysqlout

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

const retainedQuery = "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events WHERE ts IS NOT NULL GROUP BY h"

// worker is what a process of etl is to the database: a sink with a plan and a fold of its own, and one partition.
type worker struct {
	t      testing.TB
	sink   *Sink
	plan   *query.Plan
	fold   batch.Fold[row.Delta]
	at     []checkpoint.Checkpoint
	id     byte
	dead   []batch.DeadLetter // of committed batches
	counts int64              // records that committed batches have counted
	fenced int                // how often a commit was fenced
	stale  int                // how often a batch was folded again for another mark
}

// newWorker returns a process whose windows of hits are kept that long, 0 for all, with the claim of a partition.
func newWorker(t testing.TB, db *sqltest.DB, keep time.Duration, text string, partition int32) *worker {
	t.Helper()
	w := newIdleWorker(t, db, keep, text, partition)
	w.claim(partition)
	return w
}

// newIdleWorker returns a process that has claimed nothing yet.
func newIdleWorker(t testing.TB, db *sqltest.DB, keep time.Duration, text string, partition int32) *worker {
	t.Helper()
	c := testConfig()
	w := &worker{t: t, plan: sqltest.Plan(t, "json", text), id: byte(partition)}
	if keep > 0 {
		c.Retain = map[string]time.Duration{w.plan.Tables()[0].FullName(): keep}
	}
	w.sink = New(c, db.Pool, nil, nil)
	actual, err := w.sink.Prepare(t.Context(), w.plan.Tables())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.plan.Bind(actual); err != nil {
		t.Fatal(err)
	}
	w.sink.OnAltered(w.plan.Bind)
	w.fold = w.plan.NewFold()
	return w
}

func (w *worker) claim(partition int32) {
	w.t.Helper()
	w.at = mustClaim(w.t, w.sink, partition)
	w.restore()
}

func (w *worker) restore() {
	w.t.Helper()
	if err := w.fold.Restore(w.t.Context(), w.at, nil); err != nil {
		w.t.Fatal(err)
	}
}

// prepare folds records of these hours after the epoch of the tests into a task batch.
func (w *worker) prepare(hours ...int) *batch.TaskBatch[row.Delta] {
	var records []batch.Record
	for i, h := range hours {
		records = append(records, batch.Record{Offset: w.at[0].Next + int64(i), Value: fmt.Appendf(nil, `{"ts":%q}`, hour(h))})
	}
	var tally batch.Tally
	w.fold.Add(w.at[0].Partition, records, &tally)
	b := taskBatch(w.id, int64(len(hours)), w.fold.Take(), w.at...)
	b.Dead = tally.Dead
	b.Advances[0].Audit = checkpoint.Audit{Counted: tally.Counted, Filtered: tally.Filtered, Dead: int64(len(tally.Dead))}
	return b
}

// commit commits records of these hours as the engine does: after a fence it claims again, and after ErrStale and ErrFenced
// it folds the records again.
func (w *worker) commit(hours ...int) {
	w.t.Helper()
	b := w.prepare(hours...)
	for range 1000 {
		err := w.sink.Commit(w.t.Context(), b)
		switch {
		case err == nil:
			w.committed(b)
			return
		case errors.Is(err, checkpoint.ErrStale):
			w.stale++
			w.restore()
			b = w.prepare(hours...)
		case errors.Is(err, checkpoint.ErrFenced):
			w.fenced++
			w.claim(w.at[0].ID)
			b = w.prepare(hours...)
		case !errors.Is(err, checkpoint.ErrRetry):
			w.t.Fatalf("commit: %v", err)
		}
	}
	w.t.Fatal("a batch was not committed in 1,000 tries")
}

func (w *worker) committed(b *batch.TaskBatch[row.Delta]) {
	w.dead = append(w.dead, b.Dead...)
	w.counts += b.Advances[0].Audit.Counted
	w.at[0].Next = b.Advances[0].Next
	w.at[0].Audit = w.at[0].Audit.Plus(b.Advances[0].Audit)
}

// move moves the mark of hits, and expects it at an hour.
func (w *worker) move(want int) {
	w.t.Helper()
	micros, begun, err := w.sink.MoveLowWater(w.t.Context(), w.target())
	if got := time.UnixMicro(micros).UTC().Format(time.DateTime); err != nil || !begun || got != hour(want) {
		w.t.Fatalf("the mark is %s, begun is %v: %v; expected %s", got, begun, err, hour(want))
	}
}

func (w *worker) target() string { return w.plan.Tables()[0].FullName() }

// deleteAll deletes all windows below the mark, in chunks, and returns the number of rows.
func (w *worker) deleteAll(limit int) (total int64) {
	w.t.Helper()
	for {
		n, err := w.sink.DeleteExpired(w.t.Context(), w.target(), limit)
		if errors.Is(err, checkpoint.ErrRetry) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		total += n
		if n < int64(limit) {
			return total
		}
	}
}

// hour returns an hour after the epoch of the tests, which is far in the past of any clock.
func hour(h int) string {
	return time.Date(2015, 5, 1, h, 0, 0, 0, time.UTC).Format(time.DateTime)
}

// hits returns the rows of hits, as the hour and the number of records.
func hits(t testing.TB, db *sqltest.DB) string {
	t.Helper()
	return db.Text(t, "SELECT TIMESTAMPDIFF(HOUR, '2015-05-01 00:00:00', h), n FROM hits ORDER BY h")
}
