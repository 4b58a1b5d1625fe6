package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/query/ast"
)

// joins reports whether a statement joins the table that a CREATE TABLE declares. The declaration makes the types of its
// columns known without a server; a start compares it with the table.
func (p *Plan) joins(d *declared) bool {
	for _, prog := range p.programs {
		if slices.ContainsFunc(prog.st.Elements, func(e *ast.Elements) bool { return e.Joined != nil && e.Joined.Table == d.table }) {
			return true
		}
	}
	return false
}

// checkJoin rejects a joined table that a statement writes.
func (p *Plan) checkJoin(d *declared) error {
	for _, prog := range p.programs {
		if strings.EqualFold(d.table.FullName(), prog.statement().Table) {
			return d.errorf("a statement joins the table %s and another writes to it: what is joined would depend on batches", d.table.FullName())
		}
	}
	return nil
}

// join adds the tables that a statement joins.
func (p *Plan) join(st *ast.Statement) error {
	for _, e := range st.Elements {
		if e.Joined == nil {
			continue
		}
		err := e.Joined.Table.Plain()
		if err == nil {
			err = p.joined.Add(e.Joined.Table)
		}
		if err != nil {
			i := slices.IndexFunc(p.declared, func(d declared) bool { return d.table == e.Joined.Table })
			return p.declared[i].source.Locate(e.Joined.Table.Text, fmt.Errorf("table %s: %w", e.Joined.Table.FullName(), err))
		}
	}
	return nil
}

func (p *Plan) tablesToJoin() (tables []*ast.CreateTable) {
	for i := range p.declared {
		tables = append(tables, p.declared[i].table)
	}
	return tables
}

// Joined returns the tables that the query joins. A version of each must be current (lookup.Table.Set) before a fold of
// the plan adds records.
func (p *Plan) Joined() []*lookup.Table { return p.joined.Tables }

// checkJoined returns an error if a joined table has no rows to look up.
func (p *Plan) checkJoined() error {
	for _, t := range p.joined.Tables {
		if t.Current() == nil {
			return fmt.Errorf("the query joins the table %s, whose rows are not given", t.FullName())
		}
	}
	return nil
}
