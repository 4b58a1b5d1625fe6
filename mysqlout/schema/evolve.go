package schema

import (
	"context"
	"slices"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A start can add the columns that a changed query shows and its tables lack. It adds only what is right in rows that exist
// already, whether there are any or not: processes with the old query may write some at the same moment. That is a value
// that is NULL until a record is added to its row. Each column is added by one statement, so a crash between two leaves a
// table that the next start completes.

// Evolve adds the columns that the tables lack. The caller has checked that the job may change them. What cannot be added
// is left to Check.
func (c *Checker) Evolve(ctx context.Context, want []row.Table) error {
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return sqlerr.Classify("add columns", err)
	}
	defer tx.Rollback(ctx)
	list, err := lackingOf(ctx, tx, want)
	if err != nil {
		return err
	}
	return c.run(ctx, tx, list)
}

// lackingOf returns the statements that add the columns which existing tables lack.
func lackingOf(ctx context.Context, tx *pool.Tx, want []row.Table) (out []creation, err error) {
	for i := range want {
		t := &want[i]
		there, err := lookUp(ctx, tx, t)
		if err != nil {
			return nil, err
		}
		j := tableChecker{want: t, found: there, server: tx.Server}
		for _, l := range j.lackingColumns() {
			out = append(out, creation{sql: j.alter("ADD COLUMN %s", l.definition), what: "column of", name: t.FullName(), exists: errDuplicateColumn})
		}
	}
	return out, nil
}

// lacking is a column that a table lacks and that can be added to rows.
type lacking struct{ name, definition string }

// lackingColumns returns the columns that the table lacks and that can be added to rows. Computed ones are not among
// them: the columns that one reads may have been added at different times, and be of different records.
func (j *tableChecker) lackingColumns() (out []lacking) {
	if j.found.kind != "BASE TABLE" || j.server.Dialect == pool.Embedded {
		return nil
	}
	want := *j.want
	want.Columns = slices.Clone(want.Columns)
	for i := range want.Columns {
		c := &want.Columns[i]
		if i < want.Keys || c.IsState() || j.found.column(c.Name) != nil || j.shownBy(c.Name) != "" {
			continue
		}
		c.Nullable = true
		definition := columnDefinition(j.server, &want, i)
		if j.want.Declared != nil {
			d := j.want.Declared.Column(c.Name)
			if d == nil || d.NotNull {
				continue // it would not be as it is declared
			}
			declared := declaredColumn(d)
			definition = string(sqltext.AppendName(nil, d.Name)) + " " + declared.definition()
		}
		out = append(out, lacking{c.Name, definition})
	}
	return out
}

// IsLacking reports whether a finding is a column that Evolve adds.
func (f Finding) IsLacking() bool { return f.lacking }
