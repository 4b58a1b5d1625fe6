package mysqlout

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/row"
)

// restricted returns a sink of a user with exactly the privileges that DDL prints; optional ones only if requested.
func restricted(t *testing.T, f *fixture, optional bool, want ...row.Table) *Sink {
	t.Helper()
	config := testConfig()
	config.CreateTables = false
	return New(config, f.Limited(t, f.sink.schema.DDL(want), optional), nil, nil)
}

// The privileges that the docs name are enough to detect that a table was altered: its columns, keys, partitions and
// engine. A trigger is detected only with the TRIGGER privilege, which is optional, and etl check reports that.
func TestP19_AlteredTablesAreDetectedWithMinimalPrivileges(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct {
		alter, want string
		optional    bool
	}{
		"character set": {alter: "ALTER TABLE totals CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", want: "different values are equal"},
		"key":           {alter: "ALTER TABLE totals DROP PRIMARY KEY", want: "no unique key is exactly (item)"},
		"unique key":    {alter: "ALTER TABLE totals ADD UNIQUE other (total)", want: "is not the query's key"},
		"engine":        {alter: "ALTER TABLE totals ENGINE=MyISAM", want: "must be InnoDB"},
		"partitions":    {alter: "ALTER TABLE totals PARTITION BY KEY () PARTITIONS 2"},
		"foreign key": {alter: "CREATE TABLE parent (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY); INSERT INTO parent VALUES ('a'); " +
			"ALTER TABLE totals ADD CONSTRAINT one FOREIGN KEY (item) REFERENCES parent (item) ON UPDATE CASCADE", want: "foreign key one"},
		"trigger":        {alter: "CREATE TRIGGER more BEFORE INSERT ON totals FOR EACH ROW SET NEW.total = 1", want: "trigger more", optional: true},
		"etl_checkpoint": {alter: "ALTER TABLE etl_checkpoint DROP PRIMARY KEY", want: "etl_checkpoint: its primary key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server, testConfig())
			f.Exec(t, "CREATE TABLE totals (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, total DECIMAL(30,3) NOT NULL)")
			s := restricted(t, f, test.optional, totalsTable())
			tables, err := s.Prepare(t.Context(), []row.Table{totalsTable()})
			if err != nil {
				t.Fatal(err)
			}
			at := mustClaim(t, s, 0)
			commit := func(id byte) error {
				r := rowsOf(&tables[0], 1, func(int) []byte { return textKey("a") }, func(_ *row.Rows, _ int, c []row.Cell) { c[0] = cell(1) })
				err := s.Commit(t.Context(), taskBatch(id, 1, row.Delta{Tables: []*row.Rows{r}}, at...))
				if err == nil {
					at = advance(at, 1)
				}
				return err
			}
			if err := commit(1); err != nil {
				t.Fatal(err)
			}
			f.Exec(t, strings.Split(test.alter, "; ")...)
			if err := commit(2); !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "was altered") {
				t.Fatalf("got %v, expected a retry that says that the table was altered", err)
			}
			err = commit(2)
			if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, checkpoint.ErrBlocked) || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, expected a block with %q", err, test.want)
			}
		})
	}
}
