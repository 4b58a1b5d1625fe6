package mysqlout

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/query/trial"
)

// What a client reads from the tables of each query of examples/ is what its test expects: the values of visible columns,
// computed ones included, as the server computes them. Each line is committed in a batch of its own, so that all rows are
// merged by the server.
func TestExamples_clientsReadTheExpectedRows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*.sql")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d queries, expected 20 or more (%v)", len(files), err)
	}
	server := mariadbtest.Start(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queryText, test := readExample(t, file)
			plan, err := query.Compile(queryText, test.Options)
			if err != nil {
				t.Fatal(err)
			}
			f := open(t, server, testConfig(), plan.Tables()...)
			if err := plan.Bind(f.tables); err != nil {
				t.Fatal(err)
			}
			if err := trial.SetJoined(plan, test.Joined); err != nil {
				t.Fatal(err)
			}
			f.commitLines(t, plan, test)
			for _, want := range test.Tables {
				rows := f.read(t, "SELECT * FROM "+want.Name)
				if diff := cmp.Diff(want.Rows[0], rows[0]); diff != "" {
					t.Errorf("columns of %s (-expected +read from the server):\n%s", want.Name, diff)
				}
				slices.SortFunc(want.Rows[1:], slices.Compare)
				slices.SortFunc(rows[1:], slices.Compare)
				if diff := cmp.Diff(want.Rows[1:], rows[1:]); diff != "" {
					t.Errorf("rows of %s (-expected +read from the server):\n%s", want.Name, diff)
				}
			}
		})
	}
}

func readExample(t *testing.T, file string) (queryText string, test *trial.File) {
	t.Helper()
	q, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(trial.TestName(file))
	if err != nil {
		t.Fatal(err)
	}
	if test, err = trial.Parse(string(text)); err != nil {
		t.Fatal(err)
	}
	return string(q), test
}

// read returns the names of the columns and the rows of a query, as a test has them.
func (f *fixture) read(t *testing.T, text string) (cells [][]string) {
	t.Helper()
	db, err := sql.Open("mysql", f.Server.DSN(f.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	cells = append(cells, names)
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		to := make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(names))
		for i, v := range values {
			if line[i] = "NULL"; v.Valid {
				line[i] = trial.Cell(v.String)
			}
		}
		cells = append(cells, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return cells
}

// commitLines commits each line of a test in a batch.
func (f *fixture) commitLines(t *testing.T, plan *query.Plan, test *trial.File) {
	t.Helper()
	top := topic(1)
	top.Name = trial.Topic
	at, err := f.sink.Claim(t.Context(), top, []int32{0})
	if err != nil {
		t.Fatal(err)
	}
	fold := plan.NewFold()
	if err := fold.Restore(t.Context(), at, nil); err != nil {
		t.Fatal(err)
	}
	for i, line := range test.Lines {
		var tally batch.Tally
		fold.Add(at[0].Partition, []batch.Record{{Offset: int64(i), Timestamp: test.Time.UnixMilli(), Value: []byte(line)}}, &tally)
		if err := f.sink.Commit(t.Context(), taskBatch(byte(i+1), 1, fold.Take(), at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 1)
	}
}
