package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
)

// etl plan prints the columns that a start with --evolve-table adds, and etl check says that they are added; without the
// option both refuse.
func TestPlan_evolve(t *testing.T) {
	t.Parallel()
	db, k := mariadbtest.Start(t), broker(t)
	schema := db.Database(t)
	cfg := config(t, k.ListenAddrs()[0], db.DSN(schema))
	o := query.DefaultOptions()
	o.Format = "words"
	compile := func(text string) {
		var err error
		if cfg.Plan, err = query.Compile(text, o); err != nil {
			t.Fatal(err)
		}
	}
	run := func(what string) string {
		var out bytes.Buffer
		err := map[string]func() error{
			"plan": func() error { return Plan(t.Context(), cfg, &out) }, "check": func() error { return Check(t.Context(), cfg, &out) },
		}[what]()
		if err != nil {
			return out.String() + "error: " + err.Error()
		}
		return out.String()
	}
	compile("INSERT INTO words SELECT LEFT(word, 9) AS w, COUNT(*) AS n FROM events GROUP BY w")
	for text := range strings.SplitSeq(strings.TrimSpace(run("plan")), ";\n\n") {
		if err := db.Exec(schema, strings.TrimSuffix(text, ";")); err != nil {
			t.Fatal(err)
		}
	}
	compile("INSERT INTO words SELECT LEFT(word, 9) AS w, COUNT(*) AS n, MAX(word) AS last FROM events GROUP BY w")
	const alter = "ALTER TABLE `words` ADD COLUMN `last` TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
	for _, evolve := range []bool{false, true} {
		cfg.Sink.EvolveTable = evolve
		plan, check := run("plan"), run("check")
		if strings.HasPrefix(plan, alter) != evolve || strings.Contains(plan, "error: ") == evolve {
			t.Errorf("evolve %v: got the plan %s", evolve, plan)
		}
		if strings.Contains(check, "words.last: does not exist, and will be added at start") != evolve || strings.Contains(check, "error: ") == evolve {
			t.Errorf("evolve %v: got the check %s", evolve, check)
		}
	}
}
