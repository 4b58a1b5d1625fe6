package query

import (
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/row"
)

// Whole windows of a table can be deleted (P36) if the start of the window is a column of its key: each row then is of one
// window. What clients read must be of whole windows, too. So a table whose view merges several of its rows into one has
// no Window: a total over a deleted and a stored window would look like one over both.

// setWindow sets the Window of a table that programs write, if it has one. If statements into one table make windows of
// different lengths, those that end last decide.
func (p *Plan) setWindow(t *row.Table) {
	var writers []*program
	for _, prog := range p.programs {
		if own := prog.table(); strings.EqualFold(own.FullName(), t.FullName()) {
			writers = append(writers, prog)
		}
	}
	for _, c := range t.Columns[:t.Keys] {
		var floors []func(int64) int64
		for _, prog := range writers {
			if floor := prog.windowFloor(c.Name, p.options.TimeZone); floor != nil {
				floors = append(floors, floor)
			}
		}
		if len(floors) != len(writers) {
			continue
		}
		t.Window = row.NewWindow(c.Name, func(micros int64) int64 {
			least := floors[0](micros)
			for _, floor := range floors[1:] {
				least = min(least, floor(micros))
			}
			return least
		})
		return
	}
}

// windowFloor returns funcs.Floor of a column of the key; nil if its windows cannot be deleted.
func (p *program) windowFloor(column string, zone *time.Location) func(int64) int64 {
	if !p.grouped || p.step != nil && p.step.grouped {
		return nil
	}
	i := slices.IndexFunc(p.keys, func(o output) bool { return strings.EqualFold(o.name, column) })
	if i < 0 {
		return nil
	}
	return funcs.Floor(p.keys[i].x.Source, zone)
}

// Retained returns how long the windows of each table are kept that --retain is for, by the full name of the table. It
// returns an error for a table without a window whose rows could be deleted.
func (p *Plan) Retained(r option.Retention) (map[string]time.Duration, error) {
	if r.IsZero() {
		return nil, nil
	}
	out := map[string]time.Duration{}
	if len(r.Tables) == 0 {
		for i := range p.tables {
			if err := p.checkRetained(&p.tables[i], r); err != nil {
				return nil, err
			}
			out[p.tables[i].FullName()] = time.Duration(r.All)
		}
		return out, nil
	}
	for _, named := range r.Tables {
		i := slices.IndexFunc(p.tables, func(t row.Table) bool {
			shown := t.Shown()
			return strings.EqualFold(named.Table, shown.FullName()) || strings.EqualFold(named.Table, t.FullName())
		})
		if i < 0 {
			var names []string
			for j := range p.tables {
				shown := p.tables[j].Shown()
				names = append(names, shown.FullName())
			}
			return nil, option.Error("retain", r.String(), "must name tables of the query, got %s, expected one of %s", named.Table, strings.Join(names, ", "))
		}
		if err := p.checkRetained(&p.tables[i], r); err != nil {
			return nil, err
		}
		out[p.tables[i].FullName()] = time.Duration(named.Keep)
	}
	return out, nil
}

// checkRetained returns an error for a table without a window.
func (p *Plan) checkRetained(t *row.Table, r option.Retention) error {
	if t.Window != nil {
		return nil
	}
	shown := t.Shown()
	why := "its key has no window"
	for _, prog := range p.programs {
		own := prog.table()
		switch {
		case !strings.EqualFold(own.FullName(), t.FullName()):
		case prog.step != nil && prog.step.session != nil:
			why = "a session has no fixed end, so part of one would be deleted"
		case prog.step != nil && prog.step.grouped:
			why = "its outer SELECT merges groups, so totals over deleted and stored windows would look whole"
		case !prog.grouped:
			why = "it has a row for each record"
		}
	}
	return option.Error("retain", r.String(), "must be for tables with TUMBLE, HOP or DATE as a column of GROUP BY, got %s: %s; name the tables whose windows are to be deleted, such as hits=90d, or add a window to GROUP BY",
		shown.FullName(), why)
}
