package query

import (
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/row"
)

// Bind sets the real tables, one for each of Tables(), in any order. Their columns decide which values are accepted
// before anything is sent (P18), and to which scale values are rounded before they are added (P16). The columns must be
// those of Tables(), in any order, except that the key's columns come first. An error names the column that is not
// suitable and what to change, and leaves the plan unchanged. Folds that exist already use the new tables from their
// next Restore. Bind copies actual and is safe for concurrent use.
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
