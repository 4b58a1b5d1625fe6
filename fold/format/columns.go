package format

import (
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// customColumn is a column of a format whose columns are known only from its definition.
type customColumn struct {
	name string
	typ  value.Type
	read func(r *Fields, v value.Value) value.Value
}

// columnList is the columns of a format in the order of their slots. One without a name is not a column.
type columnList struct{ cols []customColumn }

// Names implements Format.
func (l *columnList) Names() []string {
	var names []string
	for _, c := range l.cols {
		if c.name != "" {
			names = append(names, c.name)
		}
	}
	return names
}

// Column implements Format.
func (l *columnList) Column(path []string) (c Column, ok bool) {
	for i, col := range l.cols {
		if len(path) == 1 && path[0] != "" && strings.EqualFold(col.name, path[0]) {
			return Column{Type: col.typ, Slot: i, Read: col.read}, true
		}
	}
	return c, false
}

// The columns of the log formats of Apache and nginx. Their values are read from the fields when they are used. A hyphen
// is NULL in columns that can be NULL.

func textColumn(name string) customColumn {
	return customColumn{name: name, typ: value.Type{Kind: value.KindText}}
}

func intColumn(name string, null bool) customColumn {
	return customColumn{name, value.Type{Kind: value.KindInt, Nullable: null}, func(r *Fields, v value.Value) value.Value {
		n, scale, ok := digits(v.Bytes)
		if !ok || scale != 0 {
			return r.Fail(name+" must be a whole number, got %s", value.Quote(v.Bytes))
		}
		return value.Value{Number: n.Number, Set: true}
	}}
}

func decimalColumn(name string) customColumn {
	return customColumn{name, value.Type{Kind: value.KindDecimal, Nullable: true, Scale: 3, Precision: 18}, func(r *Fields, v value.Value) value.Value {
		n, scale, ok := digits(v.Bytes)
		if !ok {
			return r.Fail(name+" must be a number, got %s", value.Quote(v.Bytes))
		}
		n.Scale, n.Set = uint8(scale), true
		return n
	}}
}

// digits reads a number of at most 18 digits with at most one point, and no sign, exponent or space.
func digits(b []byte) (v value.Value, scale int, ok bool) {
	for i, c := range b {
		if c-'0' > 9 && (c != '.' || i == 0 || i == len(b)-1) {
			return v, 0, false
		}
	}
	if len(b) == 0 || len(b) > 19 {
		return v, 0, false
	}
	v.Number, scale, ok = value.ParseDecimal(b)
	return v, scale, ok
}

var clfColumn = customColumn{"ts", value.Type{Kind: value.KindTime}, func(r *Fields, v value.Value) value.Value {
	micros, ok := r.Times.Parse(v.Bytes)
	if !ok {
		return r.Fail("ts %s is not a time such as 17/May/2015:10:05:03 +0000", value.Quote(v.Bytes))
	}
	return value.Time(micros)
}}

var isoColumn = customColumn{"ts", value.Type{Kind: value.KindTime}, func(r *Fields, v value.Value) value.Value {
	micros, ok := value.ParseTime(v.Bytes, r.Times.Zone)
	if !ok {
		return r.Fail("ts %s is not a time such as 2015-05-17T10:05:03+00:00", value.Quote(v.Bytes))
	}
	return value.Time(micros)
}}

// epochColumn reads units since 1970; 10^exponent microseconds are one.
func epochColumn(unit string, exponent int) customColumn {
	scale := map[string]int{"s": 3, "ms": 3, "us": 6}[unit]
	return customColumn{"ts", value.Type{Kind: value.KindTime, Scale: scale}, func(r *Fields, v value.Value) value.Value {
		n, digits, ok := digits(v.Bytes)
		at := n.Number
		if ok {
			at, ok = at.Rescale(digits, exponent)
		}
		micros, fits := at.Int64()
		if !ok || !fits || micros > value.MaxTime {
			return r.Fail("ts %s is not a number of "+unit+" since 1970", value.Quote(v.Bytes))
		}
		return value.Time(micros)
	}}
}
