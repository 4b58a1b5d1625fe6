package query

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

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
			return fmt.Errorf("table %s is not among those that were looked at", want.FullName())
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
func (l *limits) fit(r *rec, v *value, k kind) {
	if small := int64(v.num.Lo); v.set && v.scale == 0 && small >= l.low && small <= l.high && v.num.Hi == small>>63 {
		return // nearly every number
	}
	var why row.Misfit
	switch {
	case !v.set:
		why = l.FitNull()
	case l.Kind == row.Int || l.Kind == row.Decimal:
		var n row.Number
		if n, why = l.FitNumber(v.num, int(v.scale)); why == row.Fits {
			v.num, v.scale = n, uint8(l.Scale)
		}
		k = kDecimal
	case l.Kind == row.Text || l.Kind == row.Bytes:
		why = l.FitBytes(v.b)
	case l.Kind == row.Datetime:
		var micros int64
		if micros, why = l.FitDatetime(v.micros()); why == row.Fits {
			v.num.Lo = uint64(micros)
		}
	case l.Kind == row.Double:
		why = l.FitDouble(v.double())
	}
	if why != row.Fits {
		misfit(r, v, k, l.Column, why)
	}
}

// misfit makes the record a dead letter, with the reason why col does not take v.
func misfit(r *rec, v *value, k kind, col *row.Column, why row.Misfit) {
	switch why {
	case row.NullInNotNull:
		r.fail("column %s is NOT NULL, the record's value is NULL", col.Name)
	case row.Negative:
		r.fail("column %s: %s is out of range: the column is UNSIGNED", col.Name, shown(*v, kDecimal))
	case row.OutOfRange:
		beyondRange(r, v, k, col)
	case row.TooManyDigits:
		r.fail("column %s: %s is out of range: want at most %d digits, %d of them after the point", col.Name, shown(*v, kDecimal), col.Digits(), col.Scale)
	case row.TooManyBytes:
		r.fail("column %s: the value has %d bytes, the column takes %d: %s", col.Name, recordNumber{len(v.b)}, col.MaxBytes, quote(v.b))
	case row.TooManyChars:
		r.fail("column %s: the value has %d characters, the column takes %d (LEFT(text, %d) cuts): %s", col.Name, recordNumber{utf8.RuneCount(v.b)}, col.MaxChars, col.MaxChars, quote(v.b))
	case row.TrailingSpace:
		r.fail("column %s: the value ends with a space, which a CHAR column loses: %s", col.Name, quote(v.b))
	case row.TooFewBytes:
		r.fail("column %s: the value has %d bytes, a BINARY(%d) column fills it up with zero bytes: %s", col.Name, recordNumber{len(v.b)}, col.MaxBytes, quote(v.b))
	case row.InvalidUTF8:
		r.fail("column %s: the value is not valid UTF-8: %s", col.Name, quote(v.b))
	case row.NotInCharset:
		r.fail("column %s: the column's character set %s does not hold every character of the value: %s", col.Name, col.Charset, quote(v.b))
	case row.Fits:
	}
}

func beyondRange(r *rec, v *value, k kind, col *row.Column) {
	switch col.Kind {
	case row.Datetime:
		low, high := col.DatetimeRange()
		r.fail("column %s: the time %s is out of range: want %s to %s", col.Name, shown(*v, k), appendTime(nil, low, 0), appendTime(nil, high, 0))
	case row.Double:
		r.fail("column %s: the DOUBLE is out of range: %g", col.Name, recordNumber{v.double()})
	default:
		r.fail("column %s: %s is out of range: want %d to %d", col.Name, shown(*v, kDecimal), col.MinInt, col.MaxInt)
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
