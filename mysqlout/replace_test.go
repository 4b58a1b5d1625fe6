package mysqlout

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

const replaceText = `REPLACE INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, page, CAST(ms AS SIGNED) AS ms, _offset AS o, COUNT(*) AS n,
	SUM(CAST(ms AS SIGNED)) / COUNT(ms) AS mean, _partition AS p FROM events GROUP BY u`

func replaceQuery(t *testing.T) *query.Plan {
	t.Helper()
	return sqltest.Plan(t, "json", replaceText)
}

// replaceLog makes the records of a partition, by offset.
func replaceLog(rng *rand.Rand, n int) (records []batch.Record) {
	for i := range n {
		page, ms := "null", "null"
		if rng.IntN(4) > 0 {
			page = fmt.Sprintf(`"/%d"`, rng.IntN(1000))
		}
		if rng.IntN(4) > 0 {
			ms = fmt.Sprint(rng.IntN(1000) - 500)
		}
		records = append(records, batch.Record{Offset: int64(i), Timestamp: int64(rng.IntN(n)), Value: fmt.Appendf(nil, `{"u":"%d","page":%s,"ms":%s}`, rng.IntN(30), page, ms)})
	}
	return records
}

// consumer is a process with one task, which owns some of the partitions.
type consumer struct {
	t    *testing.T
	rng  *rand.Rand
	plan *query.Plan
	sink *Sink
	fold batch.Fold[row.Delta]
	logs [][]batch.Record
	at   []checkpoint.Checkpoint
	id   byte
}

// claim makes the consumer the owner of partitions, at their checkpoints.
func (c *consumer) claim(partitions ...int32) error {
	return retried(func() (err error) {
		c.at, err = c.sink.Claim(c.t.Context(), topic(8), partitions)
		return err
	})
}

// retried calls do again, as the engine does, if the other consumer inserted a row first or the two deadlocked.
func retried(do func() error) (err error) {
	for range 100 {
		if err = do(); !errors.Is(err, checkpoint.ErrRetry) {
			return err
		}
	}
	return err
}

// run reads the partitions to their ends. Some batches are discarded, and their records are folded again in others.
func (c *consumer) run() error {
	for {
		if err := c.fold.Restore(c.t.Context(), c.at, nil); err != nil {
			return err
		}
		var p batch.TaskBatch[row.Delta]
		for i := range c.at {
			from, log := c.at[i].Next, c.logs[c.at[i].Partition.ID]
			n := min(int64(c.rng.IntN(20)), int64(len(log))-from)
			if n == 0 {
				continue
			}
			var tally batch.Tally
			if c.fold.Add(c.at[i].Partition, log[from:from+n], &tally); tally.Counted+tally.Filtered != n {
				return fmt.Errorf("got %d records counted or filtered, expected %d: %v", tally.Counted+tally.Filtered, n, tally.Dead)
			}
			p.Advances = append(p.Advances, taskBatch(0, n, row.Delta{}, c.at[i]).Advances...)
		}
		p.Delta = c.fold.Take()
		if c.rng.IntN(4) == 0 {
			continue
		}
		done := !slices.ContainsFunc(c.at, func(p checkpoint.Checkpoint) bool { return p.Next < int64(len(c.logs[p.Partition.ID])) })
		if len(p.Advances) == 0 {
			if done {
				return nil
			}
			continue
		}
		c.id++
		p.ID = checkpoint.BatchID{c.id, byte(c.at[0].Partition.ID), 0xba}
		if err := retried(func() error { return c.sink.Commit(c.t.Context(), &p) }); err != nil {
			return err
		}
		for i := range p.Advances {
			at := slices.IndexFunc(c.at, func(x checkpoint.Checkpoint) bool { return x.Partition == p.Advances[i].Partition })
			c.at[at].Next = p.Advances[i].Next
		}
	}
}

// randomLogs makes the records of four partitions.
func randomLogs(seed uint64) (logs [][]batch.Record) {
	for id := range uint64(4) {
		logs = append(logs, replaceLog(rand.New(rand.NewPCG(seed, id)), 400))
	}
	return logs
}

// runTwoProcesses counts all records, in two processes that exchange partitions halfway.
func runTwoProcesses(t *testing.T, f *fixture, text string, logs [][]batch.Record, seed uint64) {
	t.Helper()
	halves := make([][]batch.Record, len(logs)) // what is in the topic at first
	for i := range logs {
		halves[i] = logs[i][:len(logs[i])/2]
	}
	var consumers []*consumer
	for id := range byte(2) {
		plan := sqltest.Plan(t, "json", text)
		s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
		tables, err := s.Prepare(t.Context(), plan.Tables())
		if err == nil {
			err = plan.Bind(tables)
		}
		if err != nil {
			t.Fatal(err)
		}
		consumers = append(consumers, &consumer{t: t, rng: rand.New(rand.NewPCG(seed, uint64(id)+10)), plan: plan, sink: s, fold: plan.NewFold(), id: 100 * id})
	}
	for round, owned := range [][][]int32{{{0, 1}, {2, 3}}, {{1, 2}, {0, 3}}} {
		var g errgroup.Group
		for i, c := range consumers {
			if c.logs = halves; round > 0 {
				c.logs = logs
			}
			if err := c.claim(owned[i]...); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range consumers {
			g.Go(c.run)
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// A table of REPLACE holds, for each key, the values of the last record beside the aggregates of all, whatever the
// batches of two processes are, in which order they commit, and what is folded again. Partitions change their owner in
// between, to a process that folds them from their checkpoints.
func TestReplace_twoProcesses(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	f := newFixture(t, sqltest.Open(t, server), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, replaceText, logs, seed)
	got := f.Text(t, "SELECT u, p, o, page, ms, n, mean FROM users ORDER BY u")
	want := lastOfEach(f, t, logs)
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	if all := f.Text(t, "SELECT * FROM users LIMIT 1"); strings.Count(all, " ") != 6 {
		t.Errorf("SELECT * returns %s, expected 7 columns", all)
	}
}

// lastOfEach computes the rows from all records at once: those of the last record in Go, the aggregates by the server.
func lastOfEach(f *fixture, t *testing.T, logs [][]batch.Record) string {
	t.Helper()
	type end struct{ offset, time int64 }
	ends := map[string]map[int]*end{}
	var values []string
	field := func(r *batch.Record, name string) string {
		_, rest, _ := strings.Cut(string(r.Value), `"`+name+`":`)
		text, _, _ := strings.Cut(rest, ",")
		return strings.Trim(text, `"}`)
	}
	for id, log := range logs {
		for i := range log {
			r := &log[i]
			u := field(r, "u")
			if ends[u] == nil {
				ends[u] = map[int]*end{}
			}
			if ends[u][id] == nil {
				ends[u][id] = &end{time: -1}
			}
			e := ends[u][id]
			e.offset, e.time = r.Offset, max(e.time, r.Timestamp)
			values = append(values, fmt.Sprintf("('%s', %d, %d, %s)", u, id, r.Offset, field(r, "ms")))
		}
	}
	f.Exec(t, "CREATE TABLE records (u VARCHAR(50) COLLATE utf8mb4_nopad_bin, p INT, o INT, ms INT)", "INSERT INTO records VALUES "+strings.Join(values, ","),
		"CREATE TABLE ends (u VARCHAR(50) COLLATE utf8mb4_nopad_bin, p INT, o INT, page TEXT COLLATE utf8mb4_nopad_bin, ms INT)")
	for u, of := range ends {
		last := slices.MaxFunc(slices.Collect(maps.Keys(of)), func(a, b int) int { return cmp.Or(cmp.Compare(of[a].time, of[b].time), a-b) })
		r := &logs[last][of[last].offset]
		page := field(r, "page")
		if page != "null" {
			page = "'" + page + "'"
		}
		f.Exec(t, fmt.Sprintf("INSERT INTO ends VALUES ('%s', %d, %d, %s, %s)", u, last, r.Offset, page, field(r, "ms")))
	}
	return f.Text(t, "SELECT e.u, e.p, e.o, e.page, e.ms, COUNT(*), SUM(r.ms) / COUNT(r.ms) FROM ends e JOIN records r ON r.u = e.u GROUP BY e.u, e.p, e.o, e.page, e.ms ORDER BY e.u")
}

// Values that the server rejects make dead letters of the records that the table would have held.
func TestReplace_rejectedValue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	plan := replaceQuery(t)
	f.prepare(t, plan.Tables()...)
	f.Exec(t, "ALTER TABLE users ADD CHECK (ms <> 13)")
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	fold := plan.NewFold()
	if err := fold.Restore(t.Context(), at, nil); err != nil {
		t.Fatal(err)
	}
	var records []batch.Record
	for i, ms := range []int{13, 5, 13} {
		records = append(records, batch.Record{Offset: int64(i), Value: fmt.Appendf(nil, `{"u":"a","ms":%d}`, ms)})
	}
	f.commitUntilAccepted(t, fold, at, records)
	// The first 13 is not written, because the 5 replaces it within the batch.
	if got := f.Text(t, "SELECT u, ms, o, n FROM users"); got != "a 5 1 2" {
		t.Errorf("got %s, expected the values of the second record and a count of 2", got)
	}
	if got := f.Text(t, "SELECT record_offset FROM etl_dead_letter"); got != "2" {
		t.Errorf("got dead letters at %s, expected the third record alone", got)
	}
}

// The embedded database writes tables of REPLACE too.
func TestReplace_embedded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Embedded(t), testConfig())
	plan := sqltest.Plan(t, "words", "REPLACE INTO seen SELECT LEFT(word, 1) AS letter, word, COUNT(*) AS n FROM events GROUP BY letter")
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	f.commitEach(t, plan, at, "apple bee ant", "axe cat")
	if got := f.Text(t, "SELECT letter, word, n FROM seen ORDER BY letter"); got != "a axe 3\nb bee 1\nc cat 1" {
		t.Errorf("got\n%s\nexpected axe, bee and cat, with counts of 3, 1 and 1", got)
	}
}
