package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
)

// etl plan changes nothing; its statements create all that a start needs; and it names what they cannot help.
func TestPlan(t *testing.T) {
	t.Parallel()
	db, k := mariadbtest.Start(t), broker(t)
	schema := db.Database(t)
	cfg := config(t, k.ListenAddrs()[0], db.DSN(schema))
	o := query.DefaultOptions()
	o.Format = "words"
	var err error
	if cfg.Plan, err = query.Compile("INSERT INTO words SELECT word, COUNT(*) AS n FROM events GROUP BY word; INSERT INTO often SELECT LEFT(word, 9) AS w, COUNT(*) AS n FROM events GROUP BY w HAVING n > 1", o); err != nil {
		t.Fatal(err)
	}
	plan := func() (statements []string, err error) {
		var out bytes.Buffer
		err = Plan(t.Context(), cfg, &out)
		for text := range strings.SplitSeq(strings.TrimSpace(out.String()), ";\n\n") {
			statements = append(statements, strings.TrimSuffix(text, ";"))
		}
		return statements, err
	}
	first, err := plan()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := plan(); err != nil || strings.Join(again, ";") != strings.Join(first, ";") {
		t.Errorf("the second plan is %q and %v, expected the first again: %q", again, err, first)
	}
	for _, text := range first {
		if err := db.Exec(schema, text); err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
	}
	if got, err := plan(); err != nil || strings.Join(got, ";") != "-- Nothing is missing." {
		t.Errorf("after its statements were run, the plan is %q and %v, expected that nothing is missing", got, err)
	}
	var out bytes.Buffer
	if err := Check(t.Context(), cfg, &out); err != nil || !strings.Contains(out.String(), "ok       tables: match the query") {
		t.Errorf("etl check after the plan: %v\n%s", err, &out)
	}

	// A table of another release, a view that is missing, and a column of the wrong type.
	for _, text := range []string{"ALTER TABLE etl_dead_letter DROP COLUMN detail", "DROP VIEW often", "ALTER TABLE words MODIFY n VARCHAR(9)"} {
		if err := db.Exec(schema, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := plan()
	if !errors.Is(err, checkpoint.ErrRefused) || len(got) != 3 || !strings.HasPrefix(got[0], "ALTER TABLE etl_dead_letter ADD COLUMN detail ") ||
		!strings.HasPrefix(got[1], "CREATE SQL SECURITY INVOKER VIEW `often`") || !strings.HasPrefix(got[2], "-- words.n: ") {
		t.Errorf("got %q and %v, expected the column, the view, what is wrong with words.n, and a refusal", got, err)
	}
}
