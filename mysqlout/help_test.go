package mysqlout

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a pool configuration with L, R, I of 1, 3 and 4 seconds. MySQL checks lock waits once a second, so L may
// become 2.
func quick(dsn string) pool.Config {
	c := pool.DefaultConfig()
	c.DSN = dsn
	c.LockWait, c.Answer, c.IdleTransaction = time.Second, 3*time.Second, 4*time.Second
	return c
}

func openPool(t testing.TB, c pool.Config) *pool.Pool {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := pool.New(c, nil, nil)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// countsTable is counts(item, n), as a query that counts words needs it.
func countsTable() row.Table {
	return row.Table{Name: "counts", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 200},
		{Name: "n", Kind: row.Int, Merge: row.Add},
	}}
}

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

// The last instants of TIMESTAMP, in microseconds: of most servers, and of MariaDB from 11.5 on.
const (
	timestampMax  = 1<<31*1_000_000 - 1
	timestamp2106 = 1<<32*1_000_000 - 1
)

// fixture is a fresh database, a pool to it and a prepared sink.
type fixture struct {
	server *mariadbtest.Server
	db     string
	pool   *pool.Pool
	sink   *Sink
	tables []row.Table
	h      *sql.DB
}

func open(t testing.TB, server *mariadbtest.Server, c Config, want ...row.Table) *fixture {
	t.Helper()
	f := &fixture{server: server, db: server.Database(t)}
	f.pool = openPool(t, quick(server.DSN(f.db)))
	f.h = openDB(t, server.DSN(f.db))
	f.sink = New(c, f.pool, nil, nil)
	f.prepare(t, want...)
	return f
}

func openDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.ParseTime = true
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	h := sql.OpenDB(connector)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (f *fixture) prepare(t testing.TB, want ...row.Table) {
	t.Helper()
	var err error
	if f.tables, err = f.sink.Prepare(t.Context(), want); err != nil {
		t.Fatal(err)
	}
}

// exec executes statements that are written for MariaDB.
func (f *fixture) exec(t testing.TB, statements ...string) {
	t.Helper()
	server := serverOf(t, f.pool)
	for _, s := range statements {
		if _, err := f.h.Exec(adapt(server, s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// text returns the result of a query as lines of columns, with NULL as text.
func (f *fixture) text(t testing.TB, query string) string {
	t.Helper()
	rows, err := f.h.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var lines []string
	for rows.Next() {
		cells, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, c := range cells {
			if !c.Valid {
				c.String = "NULL"
			}
			line = append(line, c.String)
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return strings.Join(lines, "\n")
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

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, within time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// awaitTransactions waits until this number of transactions of the fixture's database are in that state. It polls
// slowly, because InnoDB refreshes the view only after 100 ms without a query of it.
func (f *fixture) awaitTransactions(t testing.TB, what string, within time.Duration, state, want string) {
	t.Helper()
	var asked time.Time
	eventually(t, what, within, func() bool {
		if time.Since(asked) < 250*time.Millisecond {
			return false
		}
		defer func() { asked = time.Now() }()
		return f.text(t, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE "+state+" AND trx_mysql_thread_id IN "+
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
