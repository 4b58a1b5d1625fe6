package expr

import (
	"math"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// elementType is a type of a column of JSON_TABLE. A value of JSON is converted exactly or not at all: servers cut texts
// that are too long, round numbers in several ways, and read texts that are no numbers as 0, where MySQL and MariaDB
// differ.
type elementType struct {
	kind value.Kind
	bits int // of an integer
	// expected describes the length and precision that the type takes; fits checks them.
	expected string
}

// elementTypes holds the types by the parser's names.
var elementTypes = map[string]elementType{
	"tinyint": {kind: value.KindInt, bits: 8}, "smallint": {kind: value.KindInt, bits: 16}, "mediumint": {kind: value.KindInt, bits: 24},
	"int": {kind: value.KindInt, bits: 32}, "integer": {kind: value.KindInt, bits: 32}, "bigint": {kind: value.KindInt, bits: 64},
	"decimal": {kind: value.KindDecimal, expected: "DECIMAL(p,s) with p from 1 to 38 and s from 0 to 30, not above p"},
	"numeric": {kind: value.KindDecimal, expected: "NUMERIC(p,s) with p from 1 to 38 and s from 0 to 30, not above p"},
	"double":  {kind: value.KindDouble, expected: "DOUBLE without a length"},
	"varchar": {kind: value.KindText, expected: "VARCHAR(n) with n from 1 to 16383"},
	"text":    {kind: value.KindText}, "mediumtext": {kind: value.KindText}, "longtext": {kind: value.KindText},
	"datetime": {kind: value.KindTime, expected: "DATETIME(n) with n from 0 to 6"},
	"json":     {kind: value.KindJSON},
}

// fits reports whether the length, precision and scale of a column are those that its type takes.
func (t elementType) fits(d *ast.ElementColumn) bool {
	p, s := d.Precision, d.Scale
	switch {
	case t.kind == value.KindDecimal:
		return p == -1 && s == -1 || p >= 1 && p <= row.MaxDigits && s >= -1 && s <= value.MaxScale && s <= p
	case t.kind == value.KindTime:
		return p >= -1 && p <= 6
	case d.Type == "varchar":
		return p >= 1 && p <= maxVarchar
	case t.kind == value.KindDouble:
		return p == -1 && s == -1
	}
	return true // the width of an integer and the length of a TEXT change nothing
}

// maxVarchar is the maximum number of characters of a VARCHAR of utf8mb4.
const maxVarchar = 16383

// of returns the type of a column's values.
func (t elementType) of(d *ast.ElementColumn) value.Type {
	x := value.Type{Kind: t.kind, Nullable: !d.Ordinality && !d.Exists}
	switch {
	case t.kind == value.KindDecimal:
		x.Precision, x.Scale = t.digits(d)
	case t.kind == value.KindTime:
		x.Scale = max(d.Precision, 0)
	case d.Type == "varchar":
		x.MaxChars = d.Precision
	}
	return x
}

func (t elementType) digits(d *ast.ElementColumn) (precision, scale int) {
	if d.Precision == -1 {
		return 10, 0
	}
	return d.Precision, max(d.Scale, 0)
}

// converter returns the function that converts a value of JSON that is not null; ok is false if it cannot be converted.
func (t elementType) converter(d *ast.ElementColumn) func(*fold.Env, value.Value) (v value.Value, ok bool) {
	switch t.kind {
	case value.KindInt:
		low, high := row.FromInt(math.MinInt64>>(64-t.bits)), row.Number{Lo: math.MaxInt64 >> (64 - t.bits)}
		if d.Unsigned {
			low, high = row.Number{}, row.Number{Lo: math.MaxUint64 >> (64 - t.bits)}
		}
		return func(_ *fold.Env, v value.Value) (value.Value, bool) { return wholeElement(v, low, high) }
	case value.KindDecimal:
		precision, scale := t.digits(d)
		return func(_ *fold.Env, v value.Value) (value.Value, bool) {
			n, from, ok := numberOf(v, value.KindJSON, false)
			if ok {
				n, ok = n.Rescale(from, scale)
			}
			ok = ok && n.Digits(precision) && (!d.Unsigned || n.Sign() >= 0)
			return value.Value{Number: n, Scale: uint8(scale), Set: true}, ok
		}
	case value.KindDouble:
		return func(_ *fold.Env, v value.Value) (value.Value, bool) {
			switch v.Tag {
			case value.TagTrue:
				return value.Double(1), true
			case value.TagFalse:
				return value.Double(0), true
			case value.TagOther:
				return value.Null, false
			}
			f, ok := value.ParseDouble(v.Bytes)
			return value.Double(f), ok && (!d.Unsigned || f >= 0)
		}
	case value.KindTime:
		unit := value.Second
		for range max(d.Precision, 0) {
			unit /= 10
		}
		return func(r *fold.Env, v value.Value) (value.Value, bool) {
			micros, ok := value.ParseTime(v.Bytes, r.Times.Zone)
			return value.Time(micros - value.FloorMod(micros, unit)), ok && v.Tag == value.TagText
		}
	case value.KindText:
		most := math.MaxInt
		if d.Type == "varchar" {
			most = d.Precision
		}
		return func(_ *fold.Env, v value.Value) (value.Value, bool) {
			return v, v.Tag != value.TagOther && (len(v.Bytes) <= most || utf8.RuneCount(v.Bytes) <= most)
		}
	}
	return func(_ *fold.Env, v value.Value) (value.Value, bool) { return v, true }
}

// wholeElement converts a value of JSON to an integer in a range. A number with a fraction is none: MariaDB rounds it
// half away from zero, MySQL to the even neighbor.
func wholeElement(v value.Value, low, high row.Number) (value.Value, bool) {
	n, scale, ok := numberOf(v, value.KindJSON, false)
	if !ok || v.Tag == value.TagText && !isWhole(v.Bytes) {
		return value.Null, false
	}
	if scale > 0 {
		var rest row.Number
		if n, rest = n.QuoRem(row.Pow10(scale)); rest != (row.Number{}) {
			return value.Null, false
		}
	}
	return value.Value{Number: n, Set: true}, n.Compare(low) >= 0 && n.Compare(high) <= 0
}
