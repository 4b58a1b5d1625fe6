package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// wanted returns the tables that the statements write, sorted by name. Statements that write to one table must write
// the same columns.
func wanted(programs []*program) ([]row.Table, error) {
	var tables []row.Table
	for _, p := range programs {
		t := p.table()
		i := slices.IndexFunc(tables, func(o row.Table) bool { return strings.EqualFold(o.FullName(), t.FullName()) })
		if i < 0 {
			tables = append(tables, t)
			continue
		}
		if err := join(&tables[i], t); err != nil {
			return nil, fmt.Errorf("statement %d: %w", p.number+1, err)
		}
	}
	for i := range tables {
		if err := sizeKeys(&tables[i]); err != nil {
			return nil, err
		}
		if err := compute(&tables[i], programs); err != nil {
			return nil, err
		}
		if err := view(&tables[i], programs); err != nil {
			return nil, err
		}
	}
	if err := checkViews(tables, programs); err != nil {
		return nil, err
	}
	slices.SortFunc(tables, func(a, b row.Table) int { return strings.Compare(a.FullName(), b.FullName()) })
	return tables, nil
}

func (p *program) table() row.Table {
	t := p.target()
	t.Keys, t.Grouped = len(p.keys), p.grouped
	for _, o := range slices.Concat(p.keys, p.cells) {
		t.Columns = append(t.Columns, o.column())
	}
	return t
}

func (o output) column() row.Column {
	c := row.Column{Name: o.name, Kind: o.kind, Merge: o.mergeKind(), Hidden: o.hidden, KeepScale: o.keepScale, Nullable: o.x.Nullable || !o.key && o.holdsValue() && o.x.RarelyNull}
	if o.state != nil {
		c.State = o.state.name
		return c
	}
	if o.order != nil {
		c.Order = o.order.name
	}
	if !o.key && !o.aggregate.WritesArgument() {
		c.Nullable = false
		return c
	}
	switch o.kind {
	case row.Decimal:
		c.Scale, c.Precision = o.x.Scale, o.x.Precision
		if o.x.Scale == value.AnyScale {
			c.Scale = defaultScale
		}
		if c.Precision == 0 || !o.key && o.aggregate == aggregate.Sum {
			c.Precision = row.MaxDigits
		}
	case row.Datetime:
		c.Scale = o.x.Scale
	case row.Text:
		c.MaxChars = o.x.MaxChars
	}
	return c
}

// join widens the columns of t so that a second statement can write to it too.
func join(t *row.Table, more row.Table) error {
	if t.FullName() != more.FullName() {
		return fmt.Errorf("tables %s and %s differ only in the case of letters, and are one table on some servers: write one name", t.FullName(), more.FullName())
	}
	if was, is := keeps(t), keeps(&more); was != is {
		return fmt.Errorf("it writes %s with %s, and an earlier statement with %s: statements into one table must begin with the same words", t.FullName(), is, was)
	}
	if t.Grouped != more.Grouped || t.Keys != more.Keys || len(t.Columns) != len(more.Columns) {
		return fmt.Errorf("it writes other columns of %s than an earlier statement: statements into one table write the same columns", t.FullName())
	}
	for _, m := range more.Columns {
		c := t.Column(m.Name)
		switch {
		case c == nil:
			return fmt.Errorf("it writes column %s of %s, which an earlier statement does not: statements into one table write the same columns", m.Name, t.FullName())
		case c.Merge != m.Merge:
			return fmt.Errorf("column %s of %s is merged in another way by an earlier statement: both must group by it, or both add, or both keep the smaller or the larger", m.Name, t.FullName())
		case c.State != m.State || c.Order != m.Order:
			return fmt.Errorf("column %s of %s is computed from %s by an earlier statement, and from %s here: both must write the same aggregates", m.Name, t.FullName(), c.State+c.Order, m.State+m.Order)
		case c.Kind != m.Kind:
			return fmt.Errorf("column %s of %s holds values of another kind in an earlier statement: convert one with CAST", m.Name, t.FullName())
		}
		c.Nullable = c.Nullable || m.Nullable
		c.Hidden = c.Hidden && m.Hidden
		c.KeepScale = c.KeepScale || m.KeepScale
		c.Scale = max(c.Scale, m.Scale)
		c.Precision = max(c.Precision, m.Precision)
		if c.MaxChars == 0 || m.MaxChars == 0 {
			c.MaxChars = 0
		} else {
			c.MaxChars = max(c.MaxChars, m.MaxChars)
		}
	}
	return nil
}

// sizeKeys gives every text column of the key a maximum length, so that the key fits an index at 4 bytes per character.
// A column whose longest value is known gets that length; the others share the rest.
func sizeKeys(t *row.Table) error {
	if n := t.KeyParts(); n > row.MaxKeyParts {
		return fmt.Errorf("the key of %s needs an index of %d columns, two for each that can be NULL, but an index has at most %d: group by fewer", t.FullName(), n, row.MaxKeyParts)
	}
	const least = 16
	chars, open := t.KeyChars()
	if chars < 0 || open > 0 && chars < least {
		return fmt.Errorf("the key of %s does not fit an index of %d bytes, at 4 bytes to a character: cut its texts shorter with LEFT(text, n)", t.FullName(), row.MaxKeyBytes)
	}
	for i := range t.Columns[:t.Keys] {
		if c := &t.Columns[i]; c.Kind == row.Text && c.MaxChars == 0 {
			c.MaxChars = chars
		}
	}
	return nil
}

// defaultScale is how many digits after the point a column gets that is created for a number of any scale.
const defaultScale = 6
