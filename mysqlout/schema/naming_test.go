package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/row"
)

// tableNamed returns a table with this name.
func tableNamed(schema, name string) row.Table { return row.Table{Schema: schema, Name: name} }

func TestNaming(t *testing.T) {
	t.Parallel()
	exact := Naming{setting: "0", database: "Site"}
	folds := Naming{setting: "1", folds: true, database: "site"}
	for _, c := range []struct {
		names          Naming
		schema, name   string
		key            string
		same, another  []string // table_name in etl_target
		twice, notSame row.Table
	}{
		{exact, "", "Counts", "Counts", []string{"Counts", "Site.Counts"}, []string{"counts", "site.Counts", "Site.counts", ""}, tableNamed("Site", "Counts"), tableNamed("", "counts")},
		{exact, "Site", "Counts", "Counts", []string{"Counts", "Site.Counts"}, []string{"counts", "site.Counts"}, tableNamed("", "Counts"), tableNamed("site", "Counts")},
		{exact, "other", "Counts", "other.Counts", []string{"other.Counts"}, []string{"Counts", "Other.Counts", "Site.Counts"}, tableNamed("other", "Counts"), tableNamed("", "Counts")},
		{folds, "", "Counts", "counts", []string{"Counts", "counts", "COUNTS", "Site.Counts", "site.counts"}, []string{"other.counts", "count", ""}, tableNamed("", "counts"), tableNamed("other", "counts")},
		{folds, "SITE", "Counts", "counts", []string{"Counts", "counts", "SITE.Counts"}, []string{"other.counts"}, tableNamed("site", "COUNTS"), tableNamed("", "count")},
		{folds, "Other", "Counts", "other.counts", []string{"Other.Counts", "other.counts"}, []string{"counts", "site.counts"}, tableNamed("oTHER", "cOUNTS"), tableNamed("", "Counts")},
		{folds, "", "\u00c4hre", "\u00e4hre", []string{"\u00c4hre", "\u00e4hre"}, []string{"ahre"}, tableNamed("", "\u00e4HRE"), tableNamed("", "Ahre")},
	} {
		table := tableNamed(c.schema, c.name)
		if got := c.names.Key(&table); got != c.key {
			t.Errorf("%s: key %q, expected %q", table.FullName(), got, c.key)
		}
		for _, stored := range append(c.same, c.another...) {
			want := len(c.same) > 0 && strings.Contains("\x00"+strings.Join(c.same, "\x00")+"\x00", "\x00"+stored+"\x00")
			if got := c.names.IsStored(&table, stored); got != want {
				t.Errorf("%s is stored as %q: %v, expected %v", table.FullName(), stored, got, want)
			}
		}
		if found := c.names.twice([]row.Table{c.notSame, table, c.twice}); len(found) != 1 || found[0].Warning || found[0].Subject != c.twice.FullName() {
			t.Errorf("%s: found %+v; expected 1 finding, no warning, about %v", table.FullName(), found, c.twice.FullName())
		}
	}
}
