package sqltest

import (
	"testing"

	"github.com/sluice-etl/sluice/query"
)

// Plan compiles a query over records in a format, with the other options at their defaults.
func Plan(t testing.TB, format, text string) *query.Plan {
	t.Helper()
	o := query.DefaultOptions()
	o.Format = format
	p, err := query.Compile(text, o)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}
