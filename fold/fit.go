package fold

import (
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// limits is a column and the values that it accepts.
type limits struct {
	*row.Column
	low, high int64 // integers that need no other check
}

func newLimits(c *row.Column) limits {
	l := limits{Column: c}
	l.low, l.high = c.PlainInts()
	return l
}

// fit converts a value to what its column will hold, or makes the record a dead letter with the reason. After a value
// has passed here, the record is not the cause if MySQL rejects a total. k is the value's kind.
func (l *limits) fit(e *Env, v *value.Value, k value.Kind) {
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
		misfit(e, v, k, l.Column, why)
	}
}

// misfit makes the record a dead letter, with the reason why col does not accept v.
func misfit(e *Env, v *value.Value, k value.Kind, col *row.Column, why row.Misfit) {
	switch why {
	case row.NullInNotNull:
		e.Fail("column %s is NOT NULL, the record's value is NULL", col.Name)
	case row.Negative:
		e.Fail("column %s: %s is out of range: the column is UNSIGNED", col.Name, value.Show(*v, value.KindDecimal))
	case row.OutOfRange:
		beyondRange(e, v, k, col)
	case row.TooManyDigits:
		e.Fail("column %s: %s is out of range: it must have at most %d digits, %d of them after the point", col.Name, value.Show(*v, value.KindDecimal), col.Digits(), col.Scale)
	case row.TooManyBytes:
		e.Fail("column %s: the value has %d bytes, the column takes %d: %s", col.Name, value.RecordNumber(len(v.Bytes)), col.MaxBytes, value.Quote(v.Bytes))
	case row.TooManyChars:
		e.Fail("column %s: the value has %d characters, the column takes %d (LEFT(text, %d) cuts): %s", col.Name, value.RecordNumber(utf8.RuneCount(v.Bytes)), col.MaxChars, col.MaxChars, value.Quote(v.Bytes))
	case row.TrailingSpace:
		e.Fail("column %s: the value ends with a space, which a CHAR column loses: %s", col.Name, value.Quote(v.Bytes))
	case row.TooFewBytes:
		e.Fail("column %s: the value has %d bytes, a BINARY(%d) column fills it up with zero bytes: %s", col.Name, value.RecordNumber(len(v.Bytes)), col.MaxBytes, value.Quote(v.Bytes))
	case row.InvalidUTF8:
		e.Fail("column %s: the value is not valid UTF-8: %s", col.Name, value.Quote(v.Bytes))
	case row.NotInCharset:
		e.Fail("column %s: the column's character set %s does not hold every character of the value: %s", col.Name, col.Charset, value.Quote(v.Bytes))
	case row.Fits:
	}
}

// beyondRange makes the record a dead letter because v is outside the range of col.
func beyondRange(e *Env, v *value.Value, k value.Kind, col *row.Column) {
	switch col.Kind {
	case row.Datetime:
		low, high := col.DatetimeRange()
		e.Fail("column %s: the time %s is out of range: it must be from %s to %s", col.Name, value.Show(*v, k), value.AppendTime(nil, low, 0), value.AppendTime(nil, high, 0))
	case row.Double:
		e.Fail("column %s: the DOUBLE is out of range: %g", col.Name, value.RecordNumber(v.Double()))
	default:
		e.Fail("column %s: %s is out of range: it must be from %d to %d", col.Name, value.Show(*v, value.KindDecimal), col.MinInt, col.MaxInt)
	}
}
