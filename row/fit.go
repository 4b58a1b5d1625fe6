package row

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Only this file decides which value fits which column. Code that builds rows calls the Fit functions before it puts a
// value into a Cell or a key, so a value that MySQL would reject, or would store as another one, never reaches a
// statement. The sink calls them again when MySQL has rejected a row, to distinguish a record's own value from a stored
// total.

// Misfit is the reason why a column does not accept a value.
type Misfit uint8

// The misfits. If several apply to one value, the first of this list is returned.
const (
	Fits          Misfit = iota // the column accepts the value
	NullInNotNull               // NULL, and the column is NOT NULL
	Negative                    // below zero, and the column is UNSIGNED
	OutOfRange                  // outside MinInt to MaxInt, or not a finite number
	TooManyDigits               // more digits than Precision, or than can be added to a total
	TooManyBytes                // longer than MaxBytes
	TooManyChars                // longer than MaxChars
	TrailingSpace               // ends with a space, which a CHAR column drops
	TooFewBytes                 // shorter than a BINARY column, which fills up with zero bytes
	InvalidUTF8                 // not UTF-8, in a Text column
	NotInCharset                // holds a character that the column's character set lacks
)

// The range of MySQL's DATETIME, in microseconds since 1970-01-01 00:00:00 UTC, inclusive.
var (
	MinDatetime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	MaxDatetime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
)

// MaxAddedDigits is how many digits a value may have that is added to a total. A batch adds fewer than 2^33 values, and
// 2^33 × 10^28 fits 128 bits, so no total of a batch can wrap.
const MaxAddedDigits = 28

// Digits returns how many decimal digits a number may have in an Int or Decimal column: 1 to MaxDigits.
func (c *Column) Digits() int {
	digits := c.Precision
	if digits == 0 || digits > MaxDigits {
		digits = MaxDigits
	}
	if c.Traits().Total {
		digits = min(digits, MaxAddedDigits)
	}
	return digits
}

// PlainInts returns the range of integers that fit the column unchanged, without a call of FitNumber. It is empty
// (low > high) if there is no such range.
func (c *Column) PlainInts() (low, high int64) {
	if c.Kind != Int && c.Kind != Decimal || c.Scale != 0 || c.Precision > 0 && c.Precision <= 18 {
		return 1, 0
	}
	low, high = math.MinInt64, math.MaxInt64
	if c.MinInt != 0 || c.MaxInt != 0 {
		low, high = c.MinInt, c.MaxInt
	}
	if c.Unsigned {
		low = max(low, 0)
	}
	return low, high
}

// FitNull checks a NULL. A total accepts it on a NOT NULL column, because adding nothing does not change the total.
func (c *Column) FitNull() Misfit {
	if c.Nullable || c.Traits().Total {
		return Fits
	}
	return NullInNotNull
}

// FitNumber rounds n, a number with scale digits after its point, half away from zero to the column's own scale, and
// checks the result. The column is an Int or a Decimal; scale is 0 to MaxDigits. The returned number has the column's
// scale; it is undefined unless the Misfit is Fits.
func (c *Column) FitNumber(n Number, scale int) (Number, Misfit) {
	ok := true
	if scale != c.Scale {
		n, ok = n.Rescale(scale, c.Scale)
	}
	digits := c.Digits()
	switch {
	case c.Unsigned && n.Sign() < 0:
		return n, Negative
	case c.Unsigned && c.Scale == 0 && c.MaxInt == math.MaxInt64 && ok && n.Hi == 0 && n.Digits(digits):
		return n, Fits // BIGINT UNSIGNED: up to 2^64 - 1, which MaxInt cannot hold
	case c.Scale == 0 && (c.MinInt != 0 || c.MaxInt != 0):
		if small, fits := n.Int64(); !ok || !fits || small < c.MinInt || small > c.MaxInt {
			return n, OutOfRange
		}
	case !ok || !n.Digits(digits):
		return n, TooManyDigits
	}
	return n, Fits
}

// DatetimeRange returns the range of times that a Datetime column takes, in microseconds since 1970-01-01 00:00:00 UTC,
// inclusive.
func (c *Column) DatetimeRange() (low, high int64) {
	if c.MinInt != 0 || c.MaxInt != 0 {
		return c.MinInt, c.MaxInt
	}
	return MinDatetime, MaxDatetime
}

// FitDatetime truncates a time, in microseconds since 1970-01-01 00:00:00 UTC, to the digits of a second's fraction
// that the column keeps, and checks it.
func (c *Column) FitDatetime(micros int64) (int64, Misfit) {
	if low, high := c.DatetimeRange(); micros < low || micros > high {
		return micros, OutOfRange
	}
	if c.Scale < 6 {
		unit := fractions[c.Scale]
		micros -= ((micros % unit) + unit) % unit
	}
	return micros, Fits
}

// fractions holds the microseconds of the last digit that a fraction of 0 to 6 digits keeps.
var fractions = [7]int64{1e6, 1e5, 1e4, 1e3, 100, 10, 1}

// FitDouble checks a number for a Double column.
func (c *Column) FitDouble(f float64) Misfit {
	if math.IsNaN(f) || math.IsInf(f, 0) || c.Unsigned && f < 0 {
		return OutOfRange
	}
	return Fits
}

// FitBytes checks a value for a Text or Bytes column.
func (c *Column) FitBytes(v []byte) Misfit {
	switch {
	case c.MaxBytes > 0 && len(v) > c.MaxBytes:
		return TooManyBytes
	case c.MaxChars > 0 && len(v) > c.MaxChars && utf8.RuneCount(v) > c.MaxChars:
		return TooManyChars
	case c.Padding == PadSpace && len(v) > 0 && v[len(v)-1] == ' ':
		return TrailingSpace
	case c.Padding == PadZero && len(v) < c.MaxBytes:
		return TooFewBytes
	case c.Kind == Text && !utf8.Valid(v):
		return InvalidUTF8
	case c.Charset != "" && lacksCharacter(c.Charset, v):
		return NotInCharset
	}
	return Fits
}

// Holds reports whether a column of kind k can hold every value of another kind, apart from its bounds.
func (k Kind) Holds(value Kind) bool {
	switch value {
	case Int, Decimal:
		return k == Int || k == Decimal
	case Text:
		return k == Text || k == Bytes
	}
	return k == value
}

// String names the values of a kind, in the plural.
func (k Kind) String() string {
	return [...]string{"integers", "decimals", "DOUBLEs", "text", "bytes", "times"}[k]
}

// MergesKeys reports whether a key column that keeps digits digits after the point would make one key of values that
// differ in c, a column of the query's key, because it rounds them to the same value.
func (c *Column) MergesKeys(digits int) bool {
	return c.Traits().Key && (c.Kind == Decimal || c.Kind == Datetime) && c.Scale > digits
}

// LosesDigits reports whether a column that keeps digits digits after the point would round values of c, a column of the
// query, which must not be rounded.
func (c *Column) LosesDigits(digits int) bool { return c.KeepScale && c.Scale > digits }

// LosesNulls reports whether c, a column of the query, can be NULL without any record being the cause: a group in which
// every value is NULL. The table's column must then be nullable, too. If the row is of one record, that record is the
// cause.
func (c *Column) LosesNulls(actual *Column) bool {
	t := c.Traits()
	return c.Nullable && !actual.Nullable && !t.Once && !t.Follows
}

// Takes compares t, a table as the query writes it, with the existing table actual, and returns nil if actual accepts
// every row of t whose values its columns Fit. The order of actual's columns does not matter, but its key columns come
// first.
func (t *Table) Takes(actual *Table) error {
	if t.Keys != actual.Keys || t.Grouped != actual.Grouped || len(t.Columns) != len(actual.Columns) {
		return fmt.Errorf("the query writes %d columns, %d of them its key; got a table with %d and %d",
			len(t.Columns), t.Keys, len(actual.Columns), actual.Keys)
	}
	for i := range t.Columns {
		if err := t.Columns[i].takes(actual.Column(t.Columns[i].Name)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Column) takes(actual *Column) error {
	switch {
	case actual == nil:
		return fmt.Errorf("there is no column %s", c.Name)
	case c.Merge != actual.Merge:
		return fmt.Errorf("column %s is part of the key in one and not in the other", c.Name)
	case !actual.Kind.Holds(c.Kind):
		return fmt.Errorf("column %s cannot hold the query's values: they are %s, the column holds %s", c.Name, c.Kind, actual.Kind)
	case c.Traits().Key && c.Nullable && !actual.Nullable:
		return fmt.Errorf("key column %s is NOT NULL, the query groups by a value that can be NULL: write COALESCE, or change the column", c.Name)
	case c.MergesKeys(actual.Scale):
		return fmt.Errorf("key column %s keeps %d digits after the point, the query's values have %d, so that different groups would become one:"+
			" write CAST(… AS …) with %d digits, or change the column", c.Name, actual.Scale, c.Scale, actual.Scale)
	case c.LosesDigits(actual.Scale) && c.Kind == Datetime:
		return fmt.Errorf("column %s keeps %d digits of a second's fraction, but sessions are made of its times, which have %d: change the column", c.Name, actual.Scale, c.Scale)
	case c.LosesDigits(actual.Scale):
		return fmt.Errorf("column %s keeps %d digits after the point, but a variance or standard deviation is computed from it, which needs all %d:"+
			" write CAST(… AS DECIMAL(p,s)) within the aggregate, or change the column", c.Name, actual.Scale, c.Scale)
	case c.LosesNulls(actual):
		return fmt.Errorf("column %s is NOT NULL, and a group in which every value is NULL has none to write:"+
			" make the column NULL, or write COALESCE within the aggregate", c.Name)
	}
	return nil
}
