package schema

import (
	"context"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// creation is a statement that creates something that is missing.
type creation struct {
	sql  string
	what string // it creates: table, view, or column of
	name string // of the table or view
	// exists is the server's error if another process was first; 0 if the statement has none.
	exists uint16
	// optional means that a server that rejects the statement does not prevent a start: the table is used without the column.
	optional bool
}

const (
	errTableExists     = 1050
	errDuplicateColumn = 1060
)

// Create creates what is missing: tables, columns that the job's own tables of older releases lack, and views. Each
// statement has a transaction of its own, because DDL commits an open transaction. If the server rejects an additional
// column, because the ALTER privilege is missing or the table is locked, the table is used unchanged, and Check warns.
func (c *Checker) Create(ctx context.Context, want []row.Table) error {
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return sqlerr.Classify("create tables", err)
	}
	defer tx.Rollback(ctx)
	missing, err := c.missing(ctx, tx, want)
	if err != nil {
		return err
	}
	return c.run(ctx, tx, missing)
}

// run runs statements. Those that another process has run in the meantime are no errors.
func (c *Checker) run(ctx context.Context, tx *pool.Tx, list []creation) error {
	for _, m := range list {
		_, err := tx.Exec(ctx, m.sql)
		switch number := sqlerr.Number(err); {
		case err == nil:
			c.log.Info("Created", "what", m.what, "name", m.name)
		case m.exists != 0 && number == m.exists:
		case m.optional && number != 0:
			c.log.Warn("Cannot add a column", "name", m.name, "sql", m.sql, "err", err)
		default:
			return sqlerr.Classify("create "+m.what+" "+m.name, err)
		}
	}
	return nil
}

// Missing returns the statements that Create and, if the job may, Evolve would run, in their order, and runs none of them.
func (c *Checker) Missing(ctx context.Context, want []row.Table) (statements []string, err error) {
	tx, err := c.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return nil, sqlerr.Classify("look up tables", err)
	}
	defer tx.Rollback(ctx)
	missing, err := c.missing(ctx, tx, want)
	if err != nil {
		return nil, err
	}
	if c.options.Evolve {
		more, err := lackingOf(ctx, tx, want)
		if err != nil {
			return nil, err
		}
		missing = append(missing, more...)
	}
	for _, m := range missing {
		statements = append(statements, m.sql)
	}
	return statements, nil
}

// missing looks up what is missing. It inspects, because a user without the right to create tables may have the right to
// write to existing ones.
func (c *Checker) missing(ctx context.Context, tx *pool.Tx, want []row.Table) (out []creation, err error) {
	names, err := readNaming(ctx, tx)
	if err != nil {
		return nil, sqlerr.Classify("read how the server compares table names", err)
	}
	if names.twice(want) != nil {
		return nil, nil // Check reports them as findings
	}
	for _, o := range c.ownTables(tx.Server) {
		there, err := lookUp(ctx, tx, &row.Table{Name: o.name})
		switch {
		case err != nil:
			return nil, err
		case there.engine == "":
			out = append(out, creation{sql: o.create(), what: "table", name: o.name})
		default:
			out = append(out, o.laterMissing(there)...)
		}
	}
	for i := range want {
		t := &want[i]
		there, err := lookUp(ctx, tx, t)
		if err != nil {
			return nil, err
		}
		if there.engine == "" {
			out = append(out, creation{sql: createTarget(tx.Server, t), what: "table", name: t.FullName(), exists: errTableExists})
		}
		if t.View == nil || tx.Server.Dialect == pool.Embedded || lacksWindows(tx.Server, t) { // Check refuses these servers
			continue
		}
		shown := t.Shown()
		if there, err = lookUp(ctx, tx, &shown); err != nil {
			return nil, err
		}
		if there.engine == "" { // Check compares a view that exists
			out = append(out, creation{sql: createView(t, false), what: "view", name: shown.FullName(), exists: errTableExists})
		}
	}
	return out, nil
}

// lookUp inspects a table or view. Its engine is empty if there is none.
func lookUp(ctx context.Context, tx *pool.Tx, t *row.Table) (*found, error) {
	f, err := inspect(ctx, tx, t)
	if err != nil {
		return nil, sqlerr.Classify("look up "+t.FullName(), err)
	}
	return f, nil
}

// laterMissing returns the columns that a table of an older release lacks.
func (o ownTable) laterMissing(there *found) (out []creation) {
	for _, text := range o.later {
		if name, _, _ := strings.Cut(text, " "); there.column(name) == nil {
			out = append(out, creation{sql: o.add(text), what: "column of", name: o.name, exists: errDuplicateColumn, optional: true})
		}
	}
	return out
}
