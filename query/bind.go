package query

import (
	"fmt"
	"math"
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
		if err := suits(want, &actual[j]); err != nil {
			return fmt.Errorf("table %s: %w", want.FullName(), err)
		}
		bound[i] = actual[j]
		bound[i].Columns = slices.Clone(actual[j].Columns)
	}
	p.bound.Store(&bound)
	return nil
}

// suits compares a table with what the query writes.
func suits(want, have *row.Table) error {
	if want.Keys != have.Keys || want.Grouped != have.Grouped || len(want.Columns) != len(have.Columns) {
		return fmt.Errorf("the query writes %d columns, %d of them its key; the table was read as %d and %d", len(want.Columns), want.Keys, len(have.Columns), have.Keys)
	}
	for i := range want.Columns {
		w := &want.Columns[i]
		h := have.Column(w.Name)
		if h == nil {
			return fmt.Errorf("there is no column %s", w.Name)
		}
		if w.Merge != h.Merge {
			return fmt.Errorf("column %s is part of the key in one and not in the other", w.Name)
		}
		if !holds(w.Kind, h.Kind) {
			return fmt.Errorf("column %s cannot hold the query's values: they are %s, the column holds %s", w.Name, kindName(w.Kind), kindName(h.Kind))
		}
		if w.Merge == row.Key && w.Scale > h.Scale && w.Kind != row.Int {
			return fmt.Errorf("key column %s keeps %d digits after the point, the query's values have %d, so that different groups would become one: write CAST(… AS …) with %d digits, or change the column", w.Name, h.Scale, w.Scale, h.Scale)
		}
		if w.Nullable && !h.Nullable && w.Merge != row.Plain {
			return fmt.Errorf("column %s is NOT NULL, and a group in which every value is NULL has none to write: make the column NULL, or write COALESCE within the aggregate", w.Name)
		}
	}
	return nil
}

// holds reports whether every value of a kind can stand in a column of another.
func holds(value, column row.Kind) bool {
	switch value {
	case row.Int, row.Decimal:
		return column == row.Int || column == row.Decimal
	case row.Text:
		return column == row.Text || column == row.Bytes
	}
	return value == column
}

func kindName(k row.Kind) string {
	return [...]string{"integers", "decimals", "DOUBLEs", "text", "bytes", "times"}[k]
}

// limits is a column's bounds, ready to judge values by.
type limits struct {
	*row.Column
	// low and high bound integers that need no other look: those of a column without digits after the point.
	low, high int64
}

func newLimits(c *row.Column) limits {
	l := limits{Column: c, low: 1, high: 0}
	if (c.Kind == row.Int || c.Kind == row.Decimal) && c.Scale == 0 && (c.Precision == 0 || c.Precision > 18) {
		l.low, l.high = math.MinInt64, math.MaxInt64
		if c.MinInt != 0 || c.MaxInt != 0 {
			l.low, l.high = c.MinInt, c.MaxInt
		}
		if c.Unsigned {
			l.low = max(l.low, 0)
		}
	}
	return l
}

// fit makes a value what its column will hold, or makes the record a dead letter with the reason. What passes here is
// not the record's fault when MySQL refuses the total. k is the expression's kind.
func (l *limits) fit(r *rec, v *value, k kind) {
	if small := int64(v.num.Lo); v.set && v.scale == 0 && small >= l.low && small <= l.high && v.num.Hi == small>>63 {
		return // nearly every number
	}
	if !v.set {
		if !l.Nullable && l.Merge != row.Add {
			r.fail("column %s is NOT NULL, the record's value is NULL", l.Name)
		}
		return
	}
	switch l.Kind {
	case row.Int, row.Decimal:
		fitNumber(r, v, l.Column)
	case row.Text, row.Bytes:
		fitText(r, v, l.Column)
	case row.Datetime:
		fitTime(r, v, k, l.Column)
	case row.Double:
		if f := v.double(); math.IsNaN(f) || math.IsInf(f, 0) || l.Unsigned && f < 0 {
			r.fail("column %s: the DOUBLE is out of range: %g", l.Name, recordNumber{f})
		}
	}
}

func fitTime(r *rec, v *value, k kind, col *row.Column) {
	micros := v.micros()
	low, high := minTime, maxTime
	if col.MinInt != 0 || col.MaxInt != 0 {
		low, high = col.MinInt, col.MaxInt
	}
	if micros < low || micros > high {
		r.fail("column %s: the time %s is out of range: want %s to %s", col.Name, shown(*v, k), appendTime(nil, low, 0), appendTime(nil, high, 0))
		return
	}
	if col.Scale < 6 {
		v.num.Lo = uint64(micros - modFloor(micros, fractions[col.Scale]))
	}
}

// fractions holds the microseconds of a second's fraction of 0 to 6 digits.
var fractions = [7]int64{second, second / 10, second / 100, second / 1000, second / 10000, 10, 1}

// maxAdded is how many digits a value that is added may have: so many that 2^33 of them cannot pass 128 bits, and no
// total of a batch can.
const maxAdded = 28

func fitNumber(r *rec, v *value, col *row.Column) {
	n, ok := v.num, true
	if int(v.scale) != col.Scale {
		n, ok = n.Rescale(int(v.scale), col.Scale)
	}
	digits := col.Precision
	if digits == 0 || digits > row.MaxDigits {
		digits = row.MaxDigits
	}
	if col.Merge == row.Add {
		digits = min(digits, maxAdded)
	}
	if col.Unsigned && n.Sign() < 0 {
		r.fail("column %s: %s is out of range: the column is UNSIGNED", col.Name, shown(*v, kDecimal))
		return
	}
	if col.Unsigned && col.Scale == 0 && col.MaxInt == math.MaxInt64 && ok && n.Hi == 0 {
		v.num, v.scale = n, 0 // a BIGINT UNSIGNED
		return
	}
	if col.Scale == 0 && (col.MinInt != 0 || col.MaxInt != 0) {
		if small, fits := n.Int64(); !ok || !fits || small < col.MinInt || small > col.MaxInt {
			r.fail("column %s: %s is out of range: want %d to %d", col.Name, shown(*v, kDecimal), col.MinInt, col.MaxInt)
			return
		}
	} else if !ok || !n.Digits(digits) {
		r.fail("column %s: %s is out of range: want at most %d digits, %d of them after the point", col.Name, shown(*v, kDecimal), digits, col.Scale)
		return
	}
	v.num, v.scale = n, uint8(col.Scale)
}

func fitText(r *rec, v *value, col *row.Column) {
	if col.MaxBytes > 0 && len(v.b) > col.MaxBytes {
		r.fail("column %s: the value has %d bytes, the column takes %d: %s", col.Name, recordNumber{len(v.b)}, col.MaxBytes, quote(v.b))
		return
	}
	if col.MaxChars > 0 && len(v.b) > col.MaxChars {
		if n := utf8.RuneCount(v.b); n > col.MaxChars {
			r.fail("column %s: the value has %d characters, the column takes %d (LEFT(text, %d) cuts): %s", col.Name, recordNumber{n}, col.MaxChars, col.MaxChars, quote(v.b))
		}
	}
	if col.Padding == row.PadSpace && len(v.b) > 0 && v.b[len(v.b)-1] == ' ' {
		r.fail("column %s: the value ends with a space, which a CHAR column loses: %s", col.Name, quote(v.b))
	}
	if col.Padding == row.PadZero && len(v.b) < col.MaxBytes {
		r.fail("column %s: the value has %d bytes, a BINARY(%d) column fills it up with zero bytes: %s", col.Name, recordNumber{len(v.b)}, col.MaxBytes, quote(v.b))
	}
	if col.Kind == row.Text && !utf8.Valid(v.b) {
		r.fail("column %s: the value is not valid UTF-8: %s", col.Name, quote(v.b))
	}
	if col.Charset != "" && outside(col.Charset, v.b) {
		r.fail("column %s: the column's character set %s does not hold every character of the value: %s", col.Name, col.Charset, quote(v.b))
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
