package query

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/value"
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

// limits is a column's bounds, ready to judge values by.
type limits struct {
	*row.Column
	low, high int64 // integers that need no other check
}

func newLimits(c *row.Column) limits {
	l := limits{Column: c}
	l.low, l.high = c.PlainInts()
	return l
}

// fit makes a value what its column will hold, or makes the record a dead letter with the reason. What passes here is
// not the record's fault when MySQL rejects the total. k is the expression's kind.
func (l *limits) fit(r *rec, v *value.Value, k value.Kind) {
	if small := int64(v.Number.Lo); v.Set && v.Scale == 0 && small >= l.low && small <= l.high && v.Number.Hi == small>>63 {
		return // nearly every number
	}
	var why row.Misfit
	switch {
	case !v.Set:
		why = l.FitNull()
	case l.Kind == row.Int || l.Kind == row.Decimal:
		var n row.Number
		if n, why = l.FitNumber(v.Number, int(v.Scale)); why == row.Fits {
			v.Number, v.Scale = n, uint8(l.Scale)
		}
		k = value.KindDecimal
	case l.Kind == row.Text || l.Kind == row.Bytes:
		why = l.FitBytes(v.Bytes)
	case l.Kind == row.Datetime:
		var micros int64
		if micros, why = l.FitDatetime(v.Micros()); why == row.Fits {
			v.Number.Lo = uint64(micros)
		}
	case l.Kind == row.Double:
		why = l.FitDouble(v.Double())
	}
	if why != row.Fits {
		misfit(r, v, k, l.Column, why)
	}
}

// misfit makes the record a dead letter, with the reason why col does not take v.
func misfit(r *rec, v *value.Value, k value.Kind, col *row.Column, why row.Misfit) {
	switch why {
	case row.NullInNotNull:
		r.Fail("column %s is NOT NULL, the record's value is NULL", col.Name)
	case row.Negative:
		r.Fail("column %s: %s is out of range: the column is UNSIGNED", col.Name, value.Show(*v, value.KindDecimal))
	case row.OutOfRange:
		beyondRange(r, v, k, col)
	case row.TooManyDigits:
		r.Fail("column %s: %s is out of range: it must have at most %d digits, %d of them after the point", col.Name, value.Show(*v, value.KindDecimal), col.Digits(), col.Scale)
	case row.TooManyBytes:
		r.Fail("column %s: the value has %d bytes, the column takes %d: %s", col.Name, value.RecordNumber(len(v.Bytes)), col.MaxBytes, value.Quote(v.Bytes))
	case row.TooManyChars:
		r.Fail("column %s: the value has %d characters, the column takes %d (LEFT(text, %d) cuts): %s", col.Name, value.RecordNumber(utf8.RuneCount(v.Bytes)), col.MaxChars, col.MaxChars, value.Quote(v.Bytes))
	case row.TrailingSpace:
		r.Fail("column %s: the value ends with a space, which a CHAR column loses: %s", col.Name, value.Quote(v.Bytes))
	case row.TooFewBytes:
		r.Fail("column %s: the value has %d bytes, a BINARY(%d) column fills it up with zero bytes: %s", col.Name, value.RecordNumber(len(v.Bytes)), col.MaxBytes, value.Quote(v.Bytes))
	case row.InvalidUTF8:
		r.Fail("column %s: the value is not valid UTF-8: %s", col.Name, value.Quote(v.Bytes))
	case row.NotInCharset:
		r.Fail("column %s: the column's character set %s does not hold every character of the value: %s", col.Name, col.Charset, value.Quote(v.Bytes))
	case row.Fits:
	}
}

func beyondRange(r *rec, v *value.Value, k value.Kind, col *row.Column) {
	switch col.Kind {
	case row.Datetime:
		low, high := col.DatetimeRange()
		r.Fail("column %s: the time %s is out of range: it must be from %s to %s", col.Name, value.Show(*v, k), value.AppendTime(nil, low, 0), value.AppendTime(nil, high, 0))
	case row.Double:
		r.Fail("column %s: the DOUBLE is out of range: %g", col.Name, value.RecordNumber(v.Double()))
	default:
		r.Fail("column %s: %s is out of range: it must be from %d to %d", col.Name, value.Show(*v, value.KindDecimal), col.MinInt, col.MaxInt)
	}
}

// places finds where the columns of a statement stand in its bound table: its keys in the table's order, and for each
// cell its number after the keys.
func (p *program) places(t *row.Table) (keys []output, cells []int) {
	find := func(name string) func(output) bool {
		return func(o output) bool { return strings.EqualFold(o.name, name) }
	}
	for _, c := range t.Columns[:t.Keys] {
		keys = append(keys, p.keys[slices.IndexFunc(p.keys, find(c.Name))])
	}
	for _, o := range p.cells {
		cells = append(cells, slices.IndexFunc(t.Columns[t.Keys:], func(c row.Column) bool { return find(c.Name)(o) }))
	}
	return keys, cells
}
