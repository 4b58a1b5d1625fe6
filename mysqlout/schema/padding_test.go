package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/row"
)

// Check warns of fixed-length columns that are neither keys nor extremes, and the fold learns their padding. The server
// returns the values that the fold accepts exactly as they were written.
func TestCheck_paddingOfOtherColumns(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.Exec(t, "CREATE TABLE target (k BIGINT NOT NULL, name CHAR(5) CHARACTER SET utf8mb4, hash BINARY(4), PRIMARY KEY (k))")
	table := row.Table{Name: "target", Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "name", Kind: row.Text, Merge: row.Plain, Nullable: true},
		{Name: "hash", Kind: row.Text, Merge: row.Plain, Nullable: true},
	}}
	findings := f.check(t, "target", table)
	var warned []string
	for _, x := range findings {
		if x.Warning {
			warned = append(warned, x.Subject+": "+x.Do)
		}
	}
	want := []string{
		"target.name: ALTER TABLE `target` MODIFY `name` VARCHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL DEFAULT NULL",
		"target.hash: ALTER TABLE `target` MODIFY `hash` VARBINARY(4) NULL DEFAULT NULL",
	}
	if !slices.Equal(warned, want) {
		t.Errorf("got warnings\n%s\nexpected\n%s", strings.Join(warned, "\n"), strings.Join(want, "\n"))
	}
	if c := f.accepted(t, table)[0].Columns; c[1].Padding != row.PadSpace || c[2].Padding != row.PadZero || c[2].MaxBytes != 4 {
		t.Errorf("columns are %+v, expected PadSpace, and PadZero of 4 bytes", c)
	}
	f.Exec(t, "INSERT INTO target VALUES (1, ' ä\\t', 'ab\\0\\0'), (2, 'a ', 'ab')")
	if got := f.Text(t, "SELECT name = ' ä\\t', LENGTH(name), HEX(hash) FROM target WHERE k = 1"); got != "1 4 61620000" {
		t.Errorf("values that the fold lets through are %s, expected %q", got, "1 4 61620000")
	}
	if got := f.Text(t, "SELECT LENGTH(name), HEX(hash) FROM target WHERE k = 2"); got != "1 61620000" {
		t.Errorf("values that the fold does not let through are %s, expected them changed", got)
	}
	for _, x := range findings {
		if strings.HasPrefix(x.Do, "ALTER") {
			f.Exec(t, x.Do)
		}
	}
	if findings = f.check(t, "target", table); findings != nil {
		t.Errorf("after the advice: got %v, expected nothing about the table", findings)
	}
}
