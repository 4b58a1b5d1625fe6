package query

// The columns of log formats. Their values are read when a query uses them; a hyphen is NULL in those that can be NULL.

func textColumn(name string) customColumn { return customColumn{name: name, typ: typ{kind: kText}} }

func intColumn(name string, null bool) customColumn {
	return customColumn{name, typ{kind: kInt, null: null}, func(r *rec, v value) value {
		n, scale, ok := digits(v.b)
		if !ok || scale != 0 {
			return r.fail(name+" must be a whole number, got %s", quote(v.b))
		}
		return value{num: n.num, set: true}
	}}
}

func decimalColumn(name string) customColumn {
	return customColumn{name, typ{kind: kDecimal, null: true, scale: 3, prec: 18}, func(r *rec, v value) value {
		n, scale, ok := digits(v.b)
		if !ok {
			return r.fail(name+" must be a number, got %s", quote(v.b))
		}
		n.scale, n.set = uint8(scale), true
		return n
	}}
}

// digits reads a number of at most 18 digits with at most one point, and no sign, exponent or space.
func digits(b []byte) (v value, scale int, ok bool) {
	for i, c := range b {
		if c-'0' > 9 && (c != '.' || i == 0 || i == len(b)-1) {
			return v, 0, false
		}
	}
	if len(b) == 0 || len(b) > 19 {
		return v, 0, false
	}
	v.num, scale, ok = parseDecimal(b)
	return v, scale, ok
}

var clfColumn = customColumn{"ts", typ{kind: kTime}, func(r *rec, v value) value {
	micros, ok := r.clfTime(v.b)
	if !ok {
		return r.fail("ts %s is not a time such as 17/May/2015:10:05:03 +0000", quote(v.b))
	}
	return timeValue(micros)
}}

var isoColumn = customColumn{"ts", typ{kind: kTime}, func(r *rec, v value) value {
	micros, ok := parseTime(v.b, r.zone)
	if !ok {
		return r.fail("ts %s is not a time such as 2015-05-17T10:05:03+00:00", quote(v.b))
	}
	return timeValue(micros)
}}

// epochColumn reads units since 1970; 10^exponent microseconds are one.
func epochColumn(unit string, exponent int) customColumn {
	scale := map[string]int{"s": 3, "ms": 3, "us": 6}[unit]
	return customColumn{"ts", typ{kind: kTime, scale: scale}, func(r *rec, v value) value {
		n, digits, ok := digits(v.b)
		at := n.num
		if ok {
			at, ok = at.Rescale(digits, exponent)
		}
		micros, fits := at.Int64()
		if !ok || !fits || micros > maxTime {
			return r.fail("ts %s is not a number of "+unit+" since 1970", quote(v.b))
		}
		return timeValue(micros)
	}}
}
