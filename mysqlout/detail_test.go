package mysqlout

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// P18: rows that MySQL rejects for the same cause have the same reason text, and it contains nothing of the rows,
// regardless of what the server quotes and of a trigger's text. The server's own text is the detail.
func TestP18_ReasonsHoldNothingOfTheRow(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	signal := func(more, text string) string {
		return "CREATE TRIGGER bad BEFORE INSERT ON target FOR EACH ROW IF NEW.v LIKE '%marker%' THEN SET @text = " + text +
			"; SIGNAL SQLSTATE " + more + "MESSAGE_TEXT = @text; END IF"
	}
	const text = "v VARCHAR(200) COLLATE utf8mb4_nopad_bin NULL"
	for name, test := range map[string]struct {
		column, more, want string
		values             []string
	}{
		"too long":          {"v VARCHAR(3) COLLATE utf8mb4_nopad_bin NULL", "", "error 1406 (too long), column v", []string{"marker1", "marker22"}},
		"character set":     {"v VARCHAR(99) CHARACTER SET latin1 NULL", "", "error 1366 (incorrect value), column v", []string{"marker1\u4e16", "marker22\u4e16"}},
		"quotes a column":   {"v VARCHAR(99) CHARACTER SET latin1 NULL", "", "error 1366 (incorrect value), column v", []string{"\u4e16' for column `marker` at row 1", "\u4e16marker22"}},
		"CHECK":             {text, "ALTER TABLE target ADD CHECK (v NOT LIKE '%marker%')", "error 4025 (CHECK constraint)", []string{"marker1", "marker22"}},
		"SIGNAL":            {text, signal("'45000' SET ", "NEW.v"), "error 1644 (a trigger's SIGNAL)", []string{"marker1", "marker22 for column `marker` at row 1"}},
		"its own number":    {text, signal("'45000' SET MYSQL_ERRNO = 31234, ", "NEW.v"), "error 1644 (a trigger's SIGNAL)", []string{"marker1", "marker22"}},
		"a server's number": {text, signal("'22007' SET MYSQL_ERRNO = 1366, ", "CONCAT('Incorrect value for column `', NEW.v, '` at row 1')"), "error 1366 (incorrect value)", []string{"marker1", "marker22"}},
		"generated column":  {text, "ALTER TABLE target ADD g INT AS (CAST(v AS SIGNED) + (v LIKE 'marker%')) STORED", "error 1292 (incorrect value)", []string{"marker1", "marker22"}},
		"no partition":      {text, "ALTER TABLE target PARTITION BY LIST (k) (PARTITION p VALUES IN (-1))", "error 1526 (no partition for the row)", []string{"marker1", "marker22"}},
		"no parent":         {text, "CREATE TABLE parent (v VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY); ALTER TABLE target ADD FOREIGN KEY (v) REFERENCES parent (v)", "error 1452 (no parent row)", []string{"marker1", "marker22"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := row.Table{Name: "target", Grouped: true, Keys: 1, Columns: []row.Column{
				{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "v", Kind: row.Text, Merge: row.Last, Nullable: true},
			}}
			f := open(t, server, testConfig())
			if f.Version(t).Dialect != pool.MariaDB {
				t.Skip("NOT RUN: the numbers and the columns are MariaDB's")
			}
			f.Exec(t, "CREATE TABLE target (k BIGINT PRIMARY KEY, "+test.column+") CHARSET utf8mb4")
			for ddl := range strings.SplitSeq(test.more, "; ALTER") {
				if ddl != "" {
					f.Exec(t, strings.Replace(ddl, " TABLE target ADD FOREIGN", "ALTER TABLE target ADD FOREIGN", 1))
				}
			}
			f.prepare(t, table)
			at := mustClaim(t, f.sink, 0)
			r := row.NewRows(&table)
			for offset, v := range test.values {
				i := r.AddSeparate(row.AppendKeyNumber(nil, row.FromInt(int64(offset))), row.Origin{Offset: int64(offset)})
				r.SetBytes(&r.Cells(i)[0], []byte(v))
			}
			rows := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, int64(len(test.values)), row.Delta{Tables: []*row.Rows{r}}, at...)))
			if len(rows) != len(test.values) {
				t.Fatalf("rejected %+v, expected %d rows", rows, len(test.values))
			}
			for _, got := range rows {
				if want := "MySQL rejects the row: " + test.want; got.Reason != want {
					t.Errorf("reason %q, expected %q", got.Reason, want)
				}
				if got.Detail == "" {
					t.Errorf("no detail beside %q", got.Reason)
				}
			}
		})
	}
}

// withDead commits a dead letter with a reason and a detail.
func withDead(t *testing.T, s *Sink, at []checkpoint.Checkpoint) error {
	t.Helper()
	p := taskBatch(byte(at[0].Next+1), 1, row.Delta{}, at...)
	p.Dead = []batch.DeadLetter{{Partition: at[0].Partition, Offset: at[0].Next, Statement: -1,
		Reason: "want a number", Detail: strings.Repeat("\u00e4", 3000), Value: []byte("x"), Length: 1}}
	p.Advances[0].Audit = checkpoint.Audit{Dead: 1}
	return s.Commit(t.Context(), p)
}

const deadTexts = "SELECT reason, CHAR_LENGTH(detail), LEFT(detail, 2) FROM etl_dead_letter ORDER BY record_offset"

// A table of an older release gets the column detail at the next start. Running processes of that release are not
// disturbed.
func TestDeadLetterDetail_olderTable(t *testing.T) {
	t.Parallel()
	f := olderDeadLetters(t)
	f.prepare(t)
	f.prepare(t) // the column is added once
	at := mustClaim(t, f.sink, 0)
	if err := withDead(t, f.sink, at); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, deadTexts); got != "want a number 1024 \u00e4\u00e4" {
		t.Errorf("dead letters are %s, expected %q", got, "want a number 1024 \u00e4\u00e4")
	}
	head, tail := ledger.DeadLetterText(false)
	older := f.sink.ledger.AppendDeadLetter([]byte(head), checkpoint.BatchID{9}, &batch.DeadLetter{Partition: at[0].Partition, Offset: 7, Reason: "older"}, 1000, false, 5000)
	f.Exec(t, string(append(older, tail...)))
	if got := f.Text(t, deadTexts); got != "want a number 1024 \u00e4\u00e4\nolder 0 " {
		t.Errorf("dead letters are %s, expected %q", got, "want a number 1024 \u00e4\u00e4\nolder 0 ")
	}
}

// olderDeadLetters returns a database whose etl_dead_letter is of an older release.
func olderDeadLetters(t *testing.T) *fixture {
	t.Helper()
	f := open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, "ALTER TABLE etl_dead_letter DROP COLUMN detail")
	return f
}

// Without the ALTER privilege, or without --create-tables, a table of an older release is used as it is, with a
// warning. A column that is added or dropped while the process runs does not stop it: the next attempt detects the
// change.
func TestDeadLetterDetail_withoutTheColumn(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"no right", "no --create-tables"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := olderDeadLetters(t)
			c := testConfig()
			limited := f.Pool
			if how == "no right" {
				limited = f.Limited(t, "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON "+f.Name+".* TO 'etl'@'%'", false)
			} else {
				c.CreateTables = false
			}
			s := New(c, limited, nil, nil)
			if _, err := s.Prepare(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			findings := findingsOf(t, s)
			if len(findings) == 0 || !findings[0].Warning || findings[0].Subject != "etl_dead_letter.detail" {
				t.Fatalf("findings are %+v, expected a warning of the column", findings)
			}
			at := mustClaim(t, s, 0)
			if err := withDead(t, s, at); err != nil {
				t.Fatal(err)
			}
			afterTheChange := func(n int64) {
				t.Helper()
				if err := withDead(t, s, advance(at, n)); !errors.Is(err, checkpoint.ErrRetry) {
					t.Errorf("got %v, expected a retry because the table was altered", err)
				}
				if err := withDead(t, s, advance(at, n)); err != nil {
					t.Fatal(err)
				}
			}
			f.Exec(t, findings[0].Do)
			afterTheChange(1)
			if _, err := s.Prepare(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if err := withDead(t, s, advance(at, 2)); err != nil {
				t.Fatal(err)
			}
			if got := f.Text(t, deadTexts); got != "want a number 0 \nwant a number 1024 \u00e4\u00e4\nwant a number 1024 \u00e4\u00e4" {
				t.Errorf("dead letters are %s, expected %q", got, "want a number 0 \nwant a number 1024 \u00e4\u00e4\nwant a number 1024 \u00e4\u00e4")
			}
			f.Exec(t, "ALTER TABLE etl_dead_letter DROP COLUMN detail")
			afterTheChange(3)
		})
	}
}

// The embedded server stores details too, and its tables of older releases get the column.
func TestDeadLetterDetail_embedded(t *testing.T) {
	f := newFixture(t, sqltest.Embedded(t), testConfig())
	f.prepare(t)
	f.Exec(t, "ALTER TABLE etl_dead_letter DROP COLUMN detail")
	f.prepare(t)
	if err := withDead(t, f.sink, mustClaim(t, f.sink, 0)); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, deadTexts); got != "want a number 1024 \u00e4\u00e4" {
		t.Errorf("dead letters are %s", got)
	}
}
