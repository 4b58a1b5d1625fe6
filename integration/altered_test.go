//go:build integration

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// pages are three keys that differ only in case; each record of pages[i] has amounts[i].
var pages = []string{"Home", "home", "HOME"}

var amounts = []string{"0.444", "1.006", "2.25"}

// traffic continuously produces records of all pages, and counts them.
type traffic struct {
	t    *testing.T
	cl   *kgo.Client
	stop chan struct{}
	done sync.WaitGroup
	mu   sync.Mutex
	n    [3]int64 // acknowledged, by page
}

func (f *traffic) begin(ctx context.Context, only ...int) {
	f.stop = make(chan struct{})
	f.done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for round := 0; ; round++ {
			var records []*kgo.Record
			var n [3]int64
			for _, page := range only {
				for range 3 - page { // totals of the pages differ
					records = append(records, &kgo.Record{Topic: topic, Partition: int32((round + page) % 2),
						Value: fmt.Appendf(nil, `{"page":%q,"amount":%s}`, pages[page], amounts[page])})
					n[page]++
				}
			}
			if err := f.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
				f.t.Error(err)
				return
			}
			f.mu.Lock()
			for i := range n {
				f.n[i] += n[i]
			}
			f.mu.Unlock()
			select {
			case <-f.stop:
				return
			case <-tick.C:
			}
		}
	})
}

func (f *traffic) end() {
	close(f.stop)
	f.done.Wait()
}

// alterLocked runs statements while no other session can write to the table, and returns its rows at that time.
func alterLocked(ctx context.Context, t *testing.T, db *sql.DB, table string, statements ...string) map[string]string {
	t.Helper()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range append([]string{"LOCK TABLES " + table + " WRITE"}, statements...) {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	rows := map[string]string{}
	found, err := conn.QueryContext(ctx, "SELECT page, n, amount FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		var page, n, amount string
		if err := found.Scan(&page, &n, &amount); err != nil {
			t.Fatal(err)
		}
		rows[page] = n + " " + amount
	}
	if err := found.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestP19_TablesAlteredWhileRunning alters the table of a running etl while records arrive. A change that a start would
// refuse blocks the task with the reason, and etl resumes without a restart once the table is fixed; any other change
// is accepted. After each change every record is counted once under its own key, and each sum is exact in the column's
// scale.
func TestP19_TablesAlteredWhileRunning(t *testing.T) {
	alterWhileRunning(etltest.Bounded(t, 3*time.Minute), t, newSite(t), "utf8mb4_nopad_bin")
}

// alterWhileRunning runs the test on a site whose server has the given collation, which must compare bytes and not pad.
func alterWhileRunning(ctx context.Context, t *testing.T, s *site, collation string) {
	t.Helper()
	const query = "INSERT INTO totals SELECT COALESCE(page, '') AS page, COUNT(*) AS n, SUM(CAST(amount AS DECIMAL(20,3))) AS amount FROM events GROUP BY page"
	if err := os.WriteFile(s.query, []byte(query), 0o600); err != nil {
		t.Fatal(err)
	}
	exec := func(statements ...string) {
		t.Helper()
		for _, text := range statements {
			if _, err := s.db.ExecContext(ctx, text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	bytewise := " CHARACTER SET utf8mb4 COLLATE " + collation + " NOT NULL"
	page := "page VARCHAR(100)" + bytewise
	exec("CREATE TABLE totals (" + page + " PRIMARY KEY, n BIGINT NOT NULL, amount DECIMAL(30,3) NULL) CHARACTER SET latin1")
	s.more = []string{"--format=json"}
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "etl is ready", func() bool { return p.Ready(ctx) })
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	f := &traffic{t: t, cl: cl}
	f.begin(ctx, 0) // the server itself refuses a collation by which rows that are there already are equal
	etltest.Await(ctx, t, "rows are written", func() bool { return readNumber(ctx, s.db, "SELECT n FROM totals") > 0 })

	counted := func() int64 { return s.counted(ctx) }
	moves := func(what string) {
		t.Helper()
		from := counted()
		etltest.Await(ctx, t, what, func() bool { return counted() > from+50 })
	}
	// compareAll compares each page's n with the number of produced records, and its amount with the amount at the last
	// change of scale plus that of the records since.
	base, unit := map[string]string{}, map[string]string{"Home": "0.444", "home": "1.006", "HOME": "2.250"}
	compareAll := func(what string) {
		t.Helper()
		f.end()
		etltest.Await(ctx, t, what+": everything is counted", func() bool { return s.drained(ctx, t) })
		for i, name := range pages {
			var n int64
			var exact bool
			old, oldAmount := "0", "0"
			if was, ok := base[name]; ok {
				old, oldAmount, _ = strings.Cut(was, " ")
			}
			err := s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(n), 0), COALESCE(SUM(amount), 0) = CAST(? AS DECIMAL(40,5)) + (COALESCE(SUM(n), 0) - CAST(? AS SIGNED)) * CAST(? AS DECIMAL(20,5)) "+
				"FROM totals WHERE CAST(page AS BINARY) = ?", oldAmount, old, unit[name], name).Scan(&n, &exact)
			if err != nil {
				t.Fatal(err)
			}
			if n != f.n[i] || !exact {
				var amount sql.NullString
				_ = s.db.QueryRowContext(ctx, "SELECT SUM(amount) FROM totals WHERE CAST(page AS BINARY) = ?", name).Scan(&amount)
				t.Errorf("%s: %s has n %d and amount %s, expected %d and %s plus %s for each since n was %s", what, name, n, amount.String, f.n[i], oldAmount, unit[name], old)
			}
		}
		if rows := readNumber(ctx, s.db, "SELECT COUNT(*) FROM totals"); rows != 3 {
			t.Errorf("%s: the table has %d rows, expected 3", what, rows)
		}
		if n := readNumber(ctx, s.db, "SELECT COUNT(*) FROM etl_dead_letter"); n != 0 {
			t.Errorf("%s: %d dead letters, expected none", what, n)
		}
		f.begin(ctx, 0, 1, 2)
		moves(what + ": the next records are counted")
	}

	blocked := func(reason string) {
		t.Helper()
		etltest.Await(ctx, t, "the task is blocked by "+reason, func() bool {
			return strings.Contains(p.Readiness(ctx), reason)
		})
	}
	first := true
	for _, test := range []struct {
		name          string
		harm, fix     []string
		reason        string
		scale, amount string // of amount, where it changes, and what each record of Home adds then
	}{
		{name: "character set", harm: []string{"ALTER TABLE totals CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"},
			reason: "different values are equal", fix: []string{"ALTER TABLE totals MODIFY " + page}},
		{name: "key", harm: []string{"ALTER TABLE totals DROP PRIMARY KEY, ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST"},
			reason: "no unique key is exactly (page)", fix: []string{"ALTER TABLE totals DROP COLUMN id, ADD PRIMARY KEY (page)"}},
		{name: "another unique key", harm: []string{"ALTER TABLE totals ADD UNIQUE other (n)"},
			reason: "is not the query's key", fix: []string{"ALTER TABLE totals DROP KEY other"}},
		{name: "trigger", harm: []string{"CREATE TRIGGER half BEFORE UPDATE ON totals FOR EACH ROW SET NEW.n = OLD.n + 1"},
			reason: "trigger half", fix: []string{"DROP TRIGGER half"}},
		{name: "a table of another form takes its name", harm: []string{
			"CREATE TABLE heap (" + page + ", n BIGINT NOT NULL, amount DECIMAL(30,3) NULL)", "RENAME TABLE totals TO kept, heap TO totals"},
			reason: "no unique key is exactly (page)", fix: []string{"RENAME TABLE totals TO heap, kept TO totals"}},
		{name: "smaller scale", scale: "1", amount: "0.4 1.0 2.3"},
		{name: "larger scale", scale: "4", amount: "0.444 1.006 2.25"},
		{name: "a wider key and another column", harm: []string{"ALTER TABLE totals MODIFY page VARCHAR(200)" + bytewise + ", ADD COLUMN note INT"}},
	} {
		if test.scale != "" {
			base = alterLocked(ctx, t, s.db, "totals", "ALTER TABLE totals MODIFY amount DECIMAL(30,"+test.scale+") NULL")
			for i, each := range strings.Fields(test.amount) {
				unit[pages[i]] = each
			}
		}
		exec(test.harm...)
		if test.reason != "" {
			blocked(test.reason)
			if first {
				f.end() // now the other spellings come, which the collation would merge
				f.begin(ctx, 0, 1, 2)
				first = false
			}
			exec(test.fix...)
		}
		moves(test.name + ": records are counted")
		compareAll(test.name)
	}

	// As pt-online-schema-change does it: a copy of the table that triggers update, then a swap.
	exec("CREATE TABLE _totals_new LIKE totals", "ALTER TABLE _totals_new ADD COLUMN more INT, ADD INDEX (n)",
		"CREATE TRIGGER osc_ins AFTER INSERT ON totals FOR EACH ROW REPLACE INTO _totals_new (page, n, amount) VALUES (NEW.page, NEW.n, NEW.amount)",
		"CREATE TRIGGER osc_upd AFTER UPDATE ON totals FOR EACH ROW REPLACE INTO _totals_new (page, n, amount) VALUES (NEW.page, NEW.n, NEW.amount)",
		"INSERT IGNORE INTO _totals_new (page, n, amount) SELECT page, n, amount FROM totals LOCK IN SHARE MODE")
	moves("records are counted while the copy is kept up")
	exec("RENAME TABLE totals TO _totals_old, _totals_new TO totals", "DROP TABLE _totals_old")
	moves("records are counted after the swap")
	compareAll("online schema change")
	f.end()
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	p.Stop(ctx, t)
}
