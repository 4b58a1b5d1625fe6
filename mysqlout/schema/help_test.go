package schema

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a fresh database and a checker of its tables.
type fixture struct {
	*sqltest.DB
	checker *Checker
}

// open returns a database that has the job's own tables and those that are wanted.
func open(t testing.TB, server *mariadbtest.Server, want ...row.Table) *fixture {
	t.Helper()
	f := newFixture(sqltest.Open(t, server))
	f.create(t, want...)
	return f
}

// newFixture returns a fixture that has created nothing.
func newFixture(db *sqltest.DB) *fixture {
	return &fixture{DB: db, checker: New(Options{Job: "job"}, db.Pool, nil)}
}

func (f *fixture) create(t testing.TB, want ...row.Table) {
	t.Helper()
	if err := f.checker.Create(t.Context(), want); err != nil {
		t.Fatal(err)
	}
}

// check returns the findings whose subject begins with this text.
func (f *fixture) check(t testing.TB, subject string, want ...row.Table) (out []Finding) {
	t.Helper()
	report, err := f.checker.Check(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range report.Findings {
		if strings.HasPrefix(x.Subject, subject) {
			out = append(out, x)
		}
	}
	return out
}

// accepted returns the existing tables. The test fails if a start would be refused.
func (f *fixture) accepted(t testing.TB, want ...row.Table) (tables []row.Table) {
	t.Helper()
	report, err := f.checker.Check(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if report.refused() {
		t.Fatalf("a start is refused: %v", report.Findings)
	}
	for i := range report.Tables {
		tables = append(tables, report.Tables[i].Table)
	}
	return tables
}

// refusals returns the findings that are no warnings.
func refusals(all []Finding) (out []Finding) {
	for _, x := range all {
		if !x.Warning {
			out = append(out, x)
		}
	}
	return out
}

// wantFinding expects a finding that says want, or none if want is empty.
func wantFinding(t *testing.T, found []Finding, want string) {
	t.Helper()
	if want == "" && found != nil || want != "" && !slices.ContainsFunc(found, func(x Finding) bool { return strings.Contains(x.Seen, want) }) {
		t.Fatalf("got findings %v, expected one with %q", found, want)
	}
}
