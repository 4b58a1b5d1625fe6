package mysqlout

import (
	"slices"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/row"
)

// A server without grant tables has no grants to show; that is no reason to refuse a start.
func TestCheck_withoutGrantTables(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Args("--skip-grant-tables"))
	f := open(t, server, testConfig(), countsTable())
	findings, err := f.sink.Check(t.Context(), []row.Table{countsTable()})
	if err != nil || slices.ContainsFunc(findings, func(x schema.Finding) bool { return x.Subject == "counts" }) {
		t.Errorf("got %v %v, expected nothing about the table", findings, err)
	}
}
