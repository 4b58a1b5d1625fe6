package mysqlout

import (
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// totalsTable returns the table totals(item, total), where total is a sum with three digits after the point.
func totalsTable() row.Table {
	return row.Table{Name: "totals", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 200},
		{Name: "total", Kind: row.Decimal, Merge: row.Add, Scale: 3},
	}}
}

// If a table is altered while the process runs, the transaction that would write to it detects that. Nothing is written
// until the table has been checked again. A change that a start would refuse blocks the task until it is reverted; if
// the columns have changed, the rows are folded again for the new ones; any other change has no effect.
func TestP19_ATableAlteredWhileRunning(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const create = "CREATE TABLE totals (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, total DECIMAL(30,3) NOT NULL)"
	for name, test := range map[string]struct {
		alter   []string
		want    string   // the reason for the block, "" if a start would accept the new definition
		same    bool     // whether the definition is unchanged
		mariadb bool     // the statement exists in MariaDB only
		stale   bool     // whether the columns have changed, so that the batch is folded again
		back    []string // statements that end the block
		total   string   // of two times 1.444; "" means 2.888
	}{
		"character set": {
			alter: []string{"ALTER TABLE totals CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"}, want: "different values are equal",
			back: []string{"ALTER TABLE totals CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"},
		},
		"key dropped": {
			alter: []string{"ALTER TABLE totals DROP PRIMARY KEY, ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST"},
			want:  "no unique key is exactly (item)", back: []string{"ALTER TABLE totals ADD UNIQUE (item)"},
		},
		"unique key added": {
			alter: []string{"ALTER TABLE totals ADD UNIQUE other (total)"}, want: "is not the query's key",
			back: []string{"ALTER TABLE totals DROP KEY other"},
		},
		"smaller scale": {
			alter: []string{"ALTER TABLE totals MODIFY total DECIMAL(30,1) NOT NULL"}, stale: true, total: "2.800", // each is 1.4
		},
		"larger scale":      {alter: []string{"ALTER TABLE totals MODIFY total DECIMAL(30,5) NOT NULL"}, stale: true},
		"more digits":       {alter: []string{"ALTER TABLE totals MODIFY total DECIMAL(38,3) NOT NULL"}, stale: true},
		"a longer key text": {alter: []string{"ALTER TABLE totals MODIFY item VARCHAR(400) COLLATE utf8mb4_nopad_bin NOT NULL"}, stale: true},
		"a scale that is not kept": {
			alter: []string{"ALTER TABLE totals MODIFY total DECIMAL(30,5) NOT NULL, ADD UNIQUE other (total)"}, want: "is not the query's key",
			back: []string{"ALTER TABLE totals DROP KEY other"}, stale: true,
		},
		"system versioning": {
			alter: []string{"ALTER TABLE totals ADD SYSTEM VERSIONING"}, want: "system-versioned",
			back: []string{"ALTER TABLE totals DROP SYSTEM VERSIONING"}, mariadb: true,
		},
		"another engine": {
			alter: []string{"ALTER TABLE totals ENGINE=MyISAM"}, want: "must be InnoDB", back: []string{"ALTER TABLE totals ENGINE=InnoDB"},
		},
		"another table under its name": {
			alter: []string{"CREATE TABLE other (item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL, total DECIMAL(30,3) NOT NULL)",
				"RENAME TABLE totals TO kept, other TO totals"},
			want: "no unique key is exactly (item)", back: []string{"RENAME TABLE totals TO other, kept TO totals"},
		},
		"a view under its name": {
			alter: []string{"RENAME TABLE totals TO kept", "CREATE VIEW totals AS SELECT * FROM kept"}, want: "it is a view",
			back: []string{"DROP VIEW totals", "RENAME TABLE kept TO totals"},
		},
		"gone": {alter: []string{"RENAME TABLE totals TO kept"}, want: "there is no such table", back: []string{"RENAME TABLE kept TO totals"}},
		"another name of a column": {
			alter: []string{"ALTER TABLE totals CHANGE total sum DECIMAL(30,3) NOT NULL DEFAULT 0"}, want: "there is no such column",
			back: []string{"ALTER TABLE totals CHANGE sum total DECIMAL(30,3) NOT NULL"},
		},
		"a comment": {alter: []string{"ALTER TABLE totals COMMENT 'see the wiki'"}},
		"rebuilt":   {alter: []string{"ALTER TABLE totals FORCE", "ANALYZE TABLE totals"}, same: true},
		"a trigger that writes another value": {
			alter: []string{"CREATE TRIGGER more BEFORE INSERT ON totals FOR EACH ROW SET NEW.total = 1"}, want: "trigger more",
			back: []string{"DROP TRIGGER more"},
		},
		"a trigger that writes another value at an update": {
			alter: []string{"CREATE TRIGGER more BEFORE UPDATE ON totals FOR EACH ROW SET NEW.total = 1"}, want: "trigger more",
			back: []string{"DROP TRIGGER more"},
		},
		"etl_checkpoint's engine": {
			alter: []string{"ALTER TABLE etl_checkpoint ENGINE=Aria"}, want: "etl_checkpoint: its engine is Aria",
			back: []string{"ALTER TABLE etl_checkpoint ENGINE=InnoDB"}, mariadb: true,
		},
		"etl_checkpoint's key": {
			alter: []string{"ALTER TABLE etl_checkpoint DROP PRIMARY KEY"}, want: "etl_checkpoint: its primary key is ()",
			back: []string{"ALTER TABLE etl_checkpoint ADD PRIMARY KEY (job, topic, partition_id)"},
		},
		"etl_checkpoint's trigger": {
			alter: []string{"CREATE TRIGGER more BEFORE UPDATE ON etl_checkpoint FOR EACH ROW SET NEW.next_offset = 0"}, want: "etl_checkpoint: its trigger more",
			back: []string{"DROP TRIGGER more"},
		},
		"etl_checkpoint's columns": {alter: []string{"ALTER TABLE etl_checkpoint ADD COLUMN note INT"}},
		"a column more":            {alter: []string{"ALTER TABLE totals ADD COLUMN note INT"}},
		"an index more":            {alter: []string{"ALTER TABLE totals ADD INDEX (total)"}},
		"an online schema change": {alter: []string{
			"CREATE TABLE totals_new LIKE totals", "ALTER TABLE totals_new ADD COLUMN note INT",
			"INSERT INTO totals_new (item, total) SELECT item, total FROM totals",
			"RENAME TABLE totals TO totals_old, totals_new TO totals",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server, testConfig())
			if s := f.Version(t); test.mariadb && s.Dialect != pool.MariaDB || name == "character set" && s.Dialect == pool.MySQL && !s.AtLeast(8, 0) {
				t.Skipf("NOT RUN: a running etl and %s: this server, %s, does not have it", name, s)
			}
			f.Exec(t, create)
			f.prepare(t, totalsTable())
			f.sink.OnAltered(func(tables []row.Table) error { f.tables = tables; return nil })
			at := mustClaim(t, f.sink, 0)
			batchOf := func(id byte) error {
				value, _ := row.FromInt(1444).Rescale(3, f.tables[0].Columns[1].Scale)
				r := rowsOf(&f.tables[0], 1, func(int) []byte { return textKey("a") },
					func(_ *row.Rows, _ int, cells []row.Cell) { cells[0] = row.Cell{Number: value, Set: true} })
				err := f.sink.Commit(t.Context(), taskBatch(id, 1, row.Delta{Tables: []*row.Rows{r}}, at...))
				if err == nil {
					at = advance(at, 1)
				}
				return err
			}
			if err := batchOf(1); err != nil {
				t.Fatal(err)
			}
			f.Exec(t, test.alter...)
			if err := batchOf(2); test.same && err != nil || !test.same && test.want != "there is no such table" &&
				(!errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "was altered")) {
				t.Fatalf("the first commit after the change returned %v, expected a retry that says so", err)
			}
			if test.want != "" {
				for range 2 {
					if err := batchOf(2); !errors.Is(err, checkpoint.ErrBlocked) || !strings.Contains(err.Error(), test.want) {
						t.Fatalf("the next commit returned %v, expected a block with %q", err, test.want)
					}
				}
				if got := f.Text(t, "SELECT next_offset FROM etl_checkpoint WHERE partition_id = 0"); got != "1" {
					t.Errorf("next_offset is %s, expected 1: nothing is committed while blocked", got)
				}
				f.Exec(t, test.back...)
			}
			var err error
			if !test.same {
				err = batchOf(2)
			}
			if test.stale {
				if !errors.Is(err, checkpoint.ErrStale) {
					t.Fatalf("rows that were folded for the columns before: got %v, expected ErrStale", err)
				}
				err = batchOf(2)
			}
			if err != nil {
				t.Fatalf("after the table was checked again: %v", err)
			}
			if got := f.Text(t, "SELECT item, ROUND(total, 3) FROM totals"); got != "a "+cmp.Or(test.total, "2.888") {
				t.Errorf("totals are %q, expected a %s", got, cmp.Or(test.total, "2.888"))
			}
		})
	}
}

// A joined table is compared with the query at the start and whenever it is read. If it has been dropped since, a change
// of a target that a start would accept does not block commits: the rows that were read are kept.
func TestP19_AJoinedTableDoesNotBlockCommits(t *testing.T) {
	t.Parallel()
	plan := sqltest.Plan(t, "json", "CREATE TABLE hosts (k INT PRIMARY KEY); INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN hosts ON hosts.k = x")
	cfg := testConfig()
	cfg.Joined = plan.Joined()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), cfg)
	if _, err := f.sink.Prepare(t.Context(), []row.Table{sqltest.CountsTable()}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "hosts") {
		t.Fatalf("a start without the joined table: got %v, expected a refusal that names it", err)
	}
	f.Exec(t, "CREATE TABLE hosts (k INT PRIMARY KEY)")
	f.prepare(t, sqltest.CountsTable())
	at := mustClaim(t, f.sink, 0)
	f.Exec(t, "DROP TABLE hosts", "ALTER TABLE counts ADD COLUMN note INT")
	commit := func() error {
		return f.sink.Commit(t.Context(), taskBatch(1, 1, countsDelta(&f.tables[0], map[string]int64{"a": 1}), at...))
	}
	if err := commit(); !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "was altered") {
		t.Fatalf("the first commit after the change returned %v, expected a retry that says so", err)
	}
	if err := commit(); err != nil {
		t.Errorf("the next commit: %v", err)
	}
}

// An ALTER TABLE cannot run between the comparison and COMMIT: it waits for the transaction to end.
func TestP19_AnAlterWaitsForTheTransaction(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	tx, err := f.sink.pool.Tx(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	tables, err := f.sink.orderTables(countsDelta(&f.tables[0], map[string]int64{"a": 1}))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.sink.lockUnaltered(t.Context(), tx, []*target{tables[0].target}); err != nil {
		t.Fatal(err)
	}
	altered := make(chan error, 1)
	go func() {
		_, err := f.SQL.Exec("ALTER TABLE counts ADD COLUMN note INT")
		altered <- err
	}()
	sqltest.Eventually(t, "the ALTER waits for the metadata lock", 10*time.Second, func() bool {
		return f.Text(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'") == "1"
	})
	tx.Rollback(t.Context())
	if err := <-altered; err != nil {
		t.Errorf("ALTER TABLE: %v", err)
	}
}

// The metadata lock is taken first: an ALTER TABLE that holds the table when the comparison is about to start is
// detected.
func TestP19_TheComparisonIsUnderTheLock(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	tx, err := f.sink.pool.Tx(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	dba, err := f.SQL.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer dba.Close()
	exec := func(text string) {
		t.Helper()
		if _, err := dba.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	exec("LOCK TABLES counts WRITE")
	compared := make(chan error, 1)
	go func() { compared <- f.sink.lockUnaltered(t.Context(), tx, []*target{f.sink.targets["counts"]}) }()
	sqltest.Eventually(t, "the comparison waits for the metadata lock", 2*time.Second, func() bool {
		return f.Text(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'") == "1"
	})
	exec("ALTER TABLE counts ADD COLUMN note INT")
	exec("UNLOCK TABLES")
	if err := <-compared; !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "was altered") {
		t.Errorf("error is %v, expected a retry because the table was altered", err)
	}
}

// If the table was altered between the failed commit and the search for rejected rows, no row is rejected.
func TestP19_AnAlteredTableRejectsNoRow(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	tables, err := f.sink.orderTables(countsDelta(&f.tables[0], map[string]int64{"a": 1, "bad": 1}))
	if err != nil {
		t.Fatal(err)
	}
	f.Exec(t, "ALTER TABLE counts MODIFY item VARCHAR(2) COLLATE utf8mb4_nopad_bin NOT NULL")
	search := finder{sink: f.sink, in: &tables[0]}
	if err := search.search(t.Context(), tables[0].order); !errors.Is(err, checkpoint.ErrRetry) || len(search.found) != 0 {
		t.Errorf("error is %v with %d rejected rows, expected a retry with none", err, len(search.found))
	}
}

// A NULL for a column that has become NOT NULL is not the record's fault.
func TestP19_AColumnThatBecomesNotNull(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, "CREATE TABLE target (k BIGINT PRIMARY KEY, v BIGINT NULL)")
	table := row.Table{Name: "target", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "v", Kind: row.Int, Merge: row.Last, Nullable: true},
	}}
	f.prepare(t, table)
	f.Exec(t, "ALTER TABLE target MODIFY v BIGINT NOT NULL")
	at := mustClaim(t, f.sink, 0)
	r := rowsOf(&f.tables[0], 1, func(int) []byte { return row.AppendKeyNumber(nil, row.FromInt(1)) }, func(*row.Rows, int, []row.Cell) {})
	p := taskBatch(1, 1, row.Delta{Tables: []*row.Rows{r}}, at...)
	if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrRetry) {
		t.Errorf("error is %v, expected a retry", err)
	}
	if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrBlocked) || !strings.Contains(err.Error(), "the column is NOT NULL") {
		t.Errorf("error is %v, expected a block", err)
	}
	f.Exec(t, "ALTER TABLE target MODIFY v BIGINT NULL")
	if err := f.sink.Commit(t.Context(), p); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// A batch that has only dead letters compares the table too, because the column that rejected their values may accept
// them now.
func TestP19_DeadLettersOfAnAlteredColumn(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	f.sink.OnAltered(func(tables []row.Table) error { f.tables = tables; return nil })
	at := mustClaim(t, f.sink, 0)
	none := row.NewRows(&f.tables[0])
	p := taskBatch(1, 1, row.Delta{Tables: []*row.Rows{none}}, at...)
	p.Advances[0].Audit = checkpoint.Audit{Dead: 1}
	p.Dead = []batch.DeadLetter{{Partition: at[0].Partition, Offset: 0, Statement: 1, Table: "counts", Reason: "column item: too long", Value: []byte("x"), Length: 1, Records: 1}}
	f.Exec(t, "ALTER TABLE counts MODIFY item VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL")
	if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "was altered") {
		t.Fatalf("got %v, expected a retry because the table was altered", err)
	}
	if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrStale) {
		t.Fatalf("got %v, expected ErrStale: the record fits the longer column", err)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM etl_dead_letter"); got != "0" {
		t.Errorf("%s dead letters, expected none", got)
	}
}

// A claim writes etl_checkpoint, so it compares its definition first. It resumes automatically once the table is fixed.
func TestP19_AClaimComparesTheDefinition(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	if s := f.Version(t); s.Dialect != pool.MariaDB {
		t.Skipf("NOT RUN: etl_checkpoint in an engine without transactions: its key is too long for MyISAM, and this server, %s, has no Aria", s)
	}
	mustClaim(t, f.sink, 0)
	f.Exec(t, "ALTER TABLE etl_checkpoint ENGINE=Aria")
	for _, want := range []struct {
		class error
		text  string
	}{{checkpoint.ErrRetry, "etl_checkpoint was altered"}, {checkpoint.ErrBlocked, "its engine is Aria"}} {
		_, err := f.sink.Claim(t.Context(), topic(8), []int32{0})
		if !errors.Is(err, want.class) || !strings.Contains(err.Error(), want.text) {
			t.Fatalf("got %v, expected %q", err, want.text)
		}
	}
	if got := f.Text(t, "SELECT epoch FROM etl_checkpoint WHERE partition_id = 0"); got != "1" {
		t.Errorf("epoch is %s, expected 1", got)
	}
	f.Exec(t, "ALTER TABLE etl_checkpoint ENGINE=InnoDB")
	if at := mustClaim(t, f.sink, 0); at[0].Epoch != 2 {
		t.Errorf("epoch is %d, expected 2", at[0].Epoch)
	}
}
