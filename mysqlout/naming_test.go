package mysqlout

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// tableNamed returns the table counts under another name.
func tableNamed(schema, name string) row.Table {
	t := sqltest.CountsTable()
	t.Schema, t.Name = schema, name
	return t
}

// P3: a target is one table under all names that the server accepts for it. The server is asked, because its settings
// decide.
func TestP3_TableNamesAsTheServerComparesThem(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"0", "1"} {
		t.Run("lower_case_table_names "+setting, func(t *testing.T) {
			t.Parallel()
			server := mariadbtest.Start(t, mariadbtest.Args("--lower-case-table-names="+setting))
			one := setting == "1" // Counts and counts are one table
			f := open(t, server, testConfig(), tableNamed("", "counts"))
			s := f.sink
			at := mustClaim(t, s, 0)
			if err := s.Commit(t.Context(), taskBatch(1, 2, countsDelta(&f.tables[0], map[string]int64{"a": 2}), at...)); err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]row.Table{{tableNamed("", "New"), tableNamed("", "new")}, {tableNamed("", "new"), tableNamed(f.Name, "new")}} {
				_, err := New(testConfig(), f.Pool, nil, nil).Prepare(t.Context(), pair[:])
				if refused := errors.Is(err, checkpoint.ErrRefused); refused != (one || pair[1].Schema != "") || refused && !strings.Contains(err.Error(), "the same table as "+pair[0].FullName()) {
					t.Errorf("%s and %s: got %v", pair[0].FullName(), pair[1].FullName(), err)
				}
			}
			if _, err := New(testConfig(), f.Pool, nil, nil).Prepare(t.Context(), []row.Table{tableNamed(f.Name, "etl_target")}); !errors.Is(err, checkpoint.ErrRefused) {
				t.Errorf("our own table with its schema: got %v, expected %v", err, checkpoint.ErrRefused)
			}

			// The job's next query writes the name differently, and so does another job.
			for _, c := range []struct {
				table row.Table
				same  bool
			}{{tableNamed("", "COUNTS"), one}, {tableNamed(f.Name, "counts"), true}, {tableNamed(strings.ToUpper(f.Name), "Counts"), one}} {
				if !c.same && c.table.Schema != "" {
					continue // there is no schema of that name
				}
				next, other := testConfig(), testConfig()
				next.QueryHash, next.ContinueQuery = [32]byte{byte(len(c.table.FullName()))}, true
				other.Job = "another job"
				o := New(other, f.Pool, nil, nil)
				if _, err := o.Prepare(t.Context(), []row.Table{c.table}); err != nil {
					t.Fatal(err)
				}
				err := o.CheckStart(t.Context(), topic(8))
				if c.same != (err != nil && strings.Contains(err.Error(), `belongs to job "job"`)) {
					t.Errorf("another job that writes %s: got %v", c.table.FullName(), err)
				}
				n := New(next, f.Pool, nil, nil)
				if _, err := n.Prepare(t.Context(), []row.Table{c.table}); err != nil {
					t.Fatal(err)
				}
				if _, err := n.Claim(t.Context(), topic(8), []int32{0}); err != nil {
					t.Errorf("the job's next query writes %s: got %v", c.table.FullName(), err)
				}
			}
			want := "counts"
			if !one {
				want = "COUNTS\ncounts"
			}
			if got := f.Text(t, "SELECT table_name FROM etl_target WHERE table_name <> '' ORDER BY 1"); got != want {
				t.Errorf("targets are %q, expected %q", got, want)
			}

			// An earlier release stored the name as its query had it.
			f.Exec(t, "UPDATE etl_target SET table_name = 'Counts' WHERE table_name = 'counts'")
			other := testConfig()
			other.Job = "another job"
			o := New(other, f.Pool, nil, nil)
			if _, err := o.Prepare(t.Context(), []row.Table{tableNamed("", "counts")}); err != nil {
				t.Fatal(err)
			}
			seen := "holds rows"
			if one {
				seen = `belongs to job "job"`
			}
			if err := o.CheckStart(t.Context(), topic(8)); err == nil || !strings.Contains(err.Error(), seen) {
				t.Errorf("beside the row of an earlier release: got %v, expected %q", err, seen)
			}

			// Rows under either name are added to the existing ones.
			c := testConfig()
			c.QueryHash, c.ContinueQuery = [32]byte{9, 9}, true
			name := tableNamed("", "counts")
			if one {
				name = tableNamed("", "cOUNTS")
			}
			n := New(c, f.Pool, nil, nil)
			tables, err := n.Prepare(t.Context(), []row.Table{name})
			if err != nil {
				t.Fatal(err)
			}
			if !one {
				f.Exec(t, "UPDATE etl_target SET table_name = 'counts' WHERE table_name = 'Counts'")
			}
			at, err = n.Claim(t.Context(), topic(8), []int32{0})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Commit(t.Context(), taskBatch(2, 3, countsDelta(&tables[0], map[string]int64{"a": 3}), at...)); err != nil {
				t.Fatal(err)
			}
			if got := f.Text(t, "SELECT item, n FROM counts"); got != "a 5" {
				t.Errorf("counts are %s, expected a 5", got)
			}
		})
	}
}

// Two jobs of one database may both store event IDs: etl_dedup is not a target.
func TestP3_DedupTableIsNotATarget(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.Dedup = true
	f := open(t, mariadbtest.Start(t), c, sqltest.CountsTable())
	mustClaim(t, f.sink, 0)
	f.Exec(t, "INSERT INTO etl_dedup SELECT job, topic, partition_id, owner, 0, 0 FROM etl_checkpoint")
	c.Job = "another job"
	s := New(c, f.Pool, nil, nil)
	if _, err := s.Prepare(t.Context(), []row.Table{tableNamed("", "others")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), topic(8), []int32{0}); err != nil {
		t.Errorf("got %v", err)
	}
	if got := f.Text(t, "SELECT table_name, job FROM etl_target WHERE table_name <> '' ORDER BY 1"); got != "counts job\nothers another job" {
		t.Errorf("targets are %s, expected %q", got, "counts job\nothers another job")
	}
}
