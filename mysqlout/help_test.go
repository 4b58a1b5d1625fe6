package mysqlout

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func countsDelta(table *row.Table, counts map[string]int64) row.Delta {
	r := row.NewRows(table)
	for key, n := range counts {
		i, _ := r.Find(row.AppendKeyBytes(nil, []byte(key)))
		r.Cells(i)[0].Number, r.Cells(i)[0].Set = row.FromInt(n), true
	}
	return row.Delta{Tables: []*row.Rows{r}}
}

func testConfig() Config {
	c := DefaultConfig()
	c.Job = "job"
	c.QueryText = "SELECT item, COUNT(*)\nwords"
	c.QueryHash = [32]byte{1, 2, 3}
	return c
}

// fixture is a fresh database and a prepared sink.
type fixture struct {
	*sqltest.DB
	sink   *Sink
	tables []row.Table
}

func open(t testing.TB, server *mariadbtest.Server, c Config, want ...row.Table) *fixture {
	t.Helper()
	f := newFixture(t, sqltest.Open(t, server), c)
	f.prepare(t, want...)
	return f
}

// newFixture returns a fixture whose sink is not prepared yet.
func newFixture(t testing.TB, db *sqltest.DB, c Config) *fixture {
	t.Helper()
	return &fixture{DB: db, sink: New(c, db.Pool, nil, nil)}
}

func (f *fixture) prepare(t testing.TB, want ...row.Table) {
	t.Helper()
	var err error
	if f.tables, err = f.sink.Prepare(t.Context(), want); err != nil {
		t.Fatal(err)
	}
}

// bind prepares the tables of a query, and binds the query to them.
func (f *fixture) bind(t testing.TB, plan *query.Plan) {
	t.Helper()
	f.prepare(t, plan.Tables()...)
	if err := plan.Bind(f.tables); err != nil {
		t.Fatal(err)
	}
}

// findingsOf returns what the sink's check of the tables finds.
func findingsOf(t testing.TB, s *Sink, want ...row.Table) []schema.Finding {
	t.Helper()
	report, err := s.schema.Check(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return report.Findings
}

func topic(partitions int) batch.Topic {
	return batch.Topic{Name: "logs", ID: checkpoint.TopicID{1}, Starts: make([]int64, partitions), Firsts: make([]int64, partitions)}
}

func mustClaim(t testing.TB, s *Sink, partitions ...int32) []checkpoint.Checkpoint {
	t.Helper()
	out, err := s.Claim(t.Context(), topic(8), partitions)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return out
}

// taskBatch returns a task batch that advances checkpoints by n offsets.
func taskBatch(id byte, n int64, delta row.Delta, at ...checkpoint.Checkpoint) *batch.TaskBatch[row.Delta] {
	p := &batch.TaskBatch[row.Delta]{ID: checkpoint.BatchID{id, 0xba}, Delta: delta}
	for _, c := range at {
		p.Advances = append(p.Advances, batch.Advance{
			Range:       checkpoint.Range{Partition: c.Partition, First: c.Next, Next: c.Next + n},
			LeaderEpoch: 1, Epoch: c.Epoch, Owner: c.Owner, Audit: checkpoint.Audit{Counted: n},
		})
	}
	return p
}

// advance returns the checkpoints after a task batch that advanced them by n.
func advance(at []checkpoint.Checkpoint, n int64) []checkpoint.Checkpoint {
	out := append([]checkpoint.Checkpoint(nil), at...)
	for i := range out {
		out[i].Next += n
	}
	return out
}

// awaitTransactions waits until this number of transactions of the fixture's database are in that state. It polls
// slowly, because InnoDB refreshes the view only after 100 ms without a query of it.
func (f *fixture) awaitTransactions(t testing.TB, what string, within time.Duration, state, want string) {
	t.Helper()
	var asked time.Time
	sqltest.Eventually(t, what, within, func() bool {
		if time.Since(asked) < 250*time.Millisecond {
			return false
		}
		defer func() { asked = time.Now() }()
		return f.Text(t, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE "+state+" AND trx_mysql_thread_id IN "+
			"(SELECT id FROM information_schema.processlist WHERE db = DATABASE())") == want
	})
}

// rowsOf returns rows of a table from keys and cells that set fills.
func rowsOf(table *row.Table, n int, key func(i int) []byte, set func(r *row.Rows, i int, cells []row.Cell)) *row.Rows {
	r := row.NewRows(table)
	for i := range n {
		at, _ := r.Find(key(i))
		set(r, i, r.Cells(at))
	}
	return r
}

func textKey(format string, args ...any) []byte {
	return row.AppendKeyBytes(nil, fmt.Appendf(nil, format, args...))
}

func cell(n int64) row.Cell { return row.Cell{Number: row.FromInt(n), Set: true} }

// commitUntilAccepted folds three records and commits them, again with the rows that the server rejected until it rejects
// none: the merged row first, then its records one by one.
func (f *fixture) commitUntilAccepted(t *testing.T, fold batch.Fold[row.Delta], at []checkpoint.Checkpoint, records []batch.Record) {
	t.Helper()
	commit := func(rejected []batch.RejectedRow) error {
		t.Helper()
		if err := fold.Restore(t.Context(), at, rejected); err != nil {
			t.Fatal(err)
		}
		var tally batch.Tally
		fold.Add(at[0].Partition, records, &tally)
		p := taskBatch(1, int64(len(records)), fold.Take(), at...)
		p.Dead = tally.Dead
		p.Advances[0].Audit = checkpoint.Audit{Counted: tally.Counted, Dead: int64(len(tally.Dead))}
		return f.sink.Commit(t.Context(), p)
	}
	err := commit(nil)
	for range records {
		rejected, ok := errors.AsType[*batch.RejectedRows](err)
		if !ok {
			break
		}
		err = commit(rejected.Rows)
	}
	if err != nil {
		t.Fatalf("got %v, expected a commit once the records of the row are known", err)
	}
}

// commitEach commits each body in a batch of its own. The timestamps of the records descend.
func (f *fixture) commitEach(t *testing.T, plan *query.Plan, at []checkpoint.Checkpoint, bodies ...string) {
	t.Helper()
	fold := plan.NewFold()
	for id, body := range bodies {
		if err := fold.Restore(t.Context(), at, nil); err != nil {
			t.Fatal(err)
		}
		var tally batch.Tally
		fold.Add(at[0].Partition, []batch.Record{{Offset: at[0].Next, Timestamp: int64(len(bodies) - id), Value: []byte(body)}}, &tally)
		mustCommit(t, f.sink, taskBatch(byte(id+1), 1, fold.Take(), at...))
		at = advance(at, 1)
	}
}
