package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// Without the TRIGGER privilege triggers cannot be seen. etl check must report that, and not "ok".
func TestCheck_triggersThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, optional := range map[string]bool{"without TRIGGER": false, "with TRIGGER": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := sqltest.CountsTable()
			f := open(t, server, table)
			f.checker = New(Options{Job: "job"}, f.Limited(t, f.checker.DDL([]row.Table{table}), optional), nil)
			findings := f.check(t, "", table)
			warned := false
			for _, x := range findings {
				if !x.Warning {
					t.Errorf("got refusal %v, expected Warning true", x)
				}
				warned = warned || x.Subject == "counts" && strings.Contains(x.Do, "GRANT TRIGGER ON `counts`")
			}
			if warned == optional {
				t.Errorf("findings are %v, expected a warning that triggers cannot be seen: %v", findings, !optional)
			}
		})
	}
}

// A server without grant tables has no grants to show; that is no reason to refuse a start.
func TestCheck_withoutGrantTables(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Args("--skip-grant-tables"))
	f := open(t, server, sqltest.CountsTable())
	if findings := f.check(t, "counts", sqltest.CountsTable()); findings != nil {
		t.Errorf("got %v, expected nothing about the table", findings)
	}
}
