package query

import (
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/row"
)

// Bind takes the tables as they really are, one for each of Tables(), in any order: the limits of their columns are
// what values are checked against before anything is sent (P18), and their scales are what values are rounded to
// before they are added (P16). The columns must be those of Tables(), in any order with the keys at the head.
// Its errors say which column does not suit and what to change, and leave the plan as it was. A fold that exists
// already takes the tables over at its next Restore.
func (p *Plan) Bind(actual []row.Table) error {
	bound := make([]row.Table, len(p.tables))
	for i := range p.tables {
		want := &p.tables[i]
		j := slices.IndexFunc(actual, func(t row.Table) bool { return t.FullName() == want.FullName() })
		if j < 0 {
			return fmt.Errorf("table %s was not inspected", want.FullName())
		}
		if err := want.Takes(&actual[j]); err != nil {
			return fmt.Errorf("table %s: %w", want.FullName(), err)
		}
		bound[i] = actual[j]
		bound[i].Columns = slices.Clone(actual[j].Columns)
	}
	p.bound.Store(&bound)
	return nil
}
