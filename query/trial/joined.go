package trial

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/query"
)

// SetJoined gives the tables that a plan joins the rows of a test. Each table must be given; a column that is not given is
// NULL.
func SetJoined(plan *query.Plan, given []Table) error {
	joined := plan.Joined()
	for _, g := range given {
		if !slices.ContainsFunc(joined, func(t *lookup.Table) bool { return t.FullName() == g.Name }) {
			return fmt.Errorf("table %s: the query does not join it", g.Name)
		}
	}
	for _, t := range joined {
		i := slices.IndexFunc(given, func(g Table) bool { return g.Name == t.FullName() })
		if i < 0 {
			return fmt.Errorf("the query joins %s, whose rows are not given: expected a section == table %s == with them", t.FullName(), t.FullName())
		}
		v, err := given[i].version(t)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.FullName(), err)
		}
		t.Set(v)
	}
	return nil
}

// version returns the rows as those of a joined table.
func (t Table) version(of *lookup.Table) (*lookup.Version, error) {
	b := of.Builder(lookup.Limits{Rows: math.MaxInt32, Bytes: math.MaxInt64}, time.Now())
	if len(t.Rows) == 0 {
		return b.Version(), nil
	}
	var at []int // for each cell of a row, its column
	for _, name := range t.Rows[0] {
		i := slices.IndexFunc(of.Columns, func(c lookup.Column) bool { return strings.EqualFold(c.Name, name) })
		if i < 0 {
			return nil, fmt.Errorf("the query declares no column %s", name)
		}
		at = append(at, i)
	}
	for _, row := range t.Rows[1:] {
		texts := make([][]byte, len(of.Columns))
		for i, cell := range row {
			texts[at[i]] = cellText(cell)
		}
		if err := b.Add(texts); err != nil {
			return nil, err
		}
	}
	return b.Version(), nil
}

// cellText returns the text of a cell, nil if it is NULL. In quotes, every text can be given but one with a bar.
func cellText(cell string) []byte {
	if cell == "NULL" {
		return nil
	}
	if len(cell) >= 2 && strings.HasPrefix(cell, "'") && strings.HasSuffix(cell, "'") {
		cell = cell[1 : len(cell)-1]
	}
	return []byte(cell)
}

// ParseTables parses a text that has only sections with rows of joined tables. An error has the number of its line.
func ParseTables(text string) ([]Table, error) {
	f, err := parse(text)
	switch {
	case err != nil:
		return nil, err
	case len(f.seen) > len(f.Joined) || len(f.options) > 0:
		return nil, fmt.Errorf("expected only sections such as == table hosts ==")
	}
	return f.Joined, nil
}
