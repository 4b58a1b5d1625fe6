package query

import (
	"fmt"
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/row"
)

// casts holds the types of CAST, as the parser names them: SIGNED INTEGER is signed.
var casts = map[string]func(c *compiler, e *expr, x compiled) compiled{
	"signed": (*compiler).castSigned, "unsigned": (*compiler).castUnsigned, "decimal": (*compiler).castDecimal,
	"char": (*compiler).castChar, "nchar": (*compiler).castChar, "datetime": (*compiler).castDatetime,
	"double": (*compiler).castDouble, "float": (*compiler).castDouble, "real": (*compiler).castDouble,
}

// cast compiles CAST(x AS type). What MySQL would cut or bend with a warning makes the record a dead letter, as it
// makes an INSERT fail in strict mode.
func (c *compiler) cast(e *expr) compiled {
	x := c.expr(e.args[0])
	x.src = e.args[0]
	if to := casts[e.name]; to != nil {
		return to(c, e, x)
	}
	return c.fail(e, "want CAST to SIGNED, UNSIGNED, DECIMAL(p,s), CHAR(n), DATETIME or DOUBLE")
}

func (c *compiler) castSigned(e *expr, x compiled) compiled {
	return c.castNumber(e, x, kInt, row.MaxDigits, 0, math.MinInt64, math.MaxInt64)
}

func (c *compiler) castUnsigned(e *expr, x compiled) compiled {
	return c.castNumber(e, x, kInt, row.MaxDigits, 0, 0, math.MaxUint64)
}

func (c *compiler) castDecimal(e *expr, x compiled) compiled {
	p, s := e.p, max(e.s, 0)
	if p == -1 {
		p = 10
	}
	if p < 1 || p > row.MaxDigits || s > maxScale || s > p {
		return c.fail(e, "DECIMAL(p,s) takes p from 1 to %d and s from 0 to %d, not above p", row.MaxDigits, maxScale)
	}
	return c.castNumber(e, x, kDecimal, p, s, 0, 0)
}

func (c *compiler) castDatetime(e *expr, x compiled) compiled {
	if e.p > 6 || e.p < -1 {
		return c.fail(e, "DATETIME(n) takes n from 0 to 6")
	}
	if x.kind == kJSON {
		x = c.text(x)
	}
	if x.kind != kText && x.kind != kTime && x.kind != kNull {
		return c.fail(e, "%s is %s: write FROM_UNIXTIME(%s) for seconds since 1970", x.src.text, x.kind, x.src.text)
	}
	digits := max(e.p, 0)
	out := c.castTime(x, digits)
	out.src, out.typ = e, typ{kind: kTime, null: x.null, scale: digits} // of NULL, too
	return out
}

// castNumber casts to an integer between low and high, or to a decimal of p digits with s after the point.
func (c *compiler) castNumber(e *expr, x compiled, to kind, p, s int, low int64, high uint64) compiled {
	out := compiled{typ: typ{kind: to, null: x.null, scale: s}, constant: x.constant, src: e}
	if to == kDecimal {
		out.prec = p
	}
	if x.kind == kTime {
		return c.fail(e, "%s is a time: times are compared, and grouped by TUMBLE(time, INTERVAL n unit)", x.src.text)
	}
	eval, from, name := x.eval, x.kind, e.text
	bottom, top := row.FromInt(low), row.Number{Lo: high}
	out.eval = func(r *rec) value {
		v := eval(r)
		if !v.set {
			return null
		}
		n, scale, ok := numberOf(v, from, to == kInt)
		if !ok && from != kDouble {
			return r.fail("%s: %s is no number", name, shown(v, from))
		}
		if ok {
			n, ok = n.Rescale(scale, s)
		}
		if ok && to == kInt {
			ok = n.Compare(bottom) >= 0 && n.Compare(top) <= 0
		} else if ok {
			ok = n.Digits(p)
		}
		if !ok {
			return r.fail("%s: %s is out of range", name, shown(v, from))
		}
		return value{num: n, scale: uint8(s), set: true}
	}
	return out
}

// numberOf reads any value as a number. whole says that an integer is wanted: MySQL rounds a DOUBLE to the nearest
// even one then, and takes no text with a point or an exponent.
func numberOf(v value, k kind, whole bool) (n row.Number, scale int, ok bool) {
	switch k {
	case kInt, kDecimal:
		return v.num, int(v.scale), true
	case kDouble:
		f := v.double()
		if whole {
			n, ok = wholeNumber(math.RoundToEven(f))
			return n, 0, ok
		}
		var room [64]byte
		return parseDecimal(strconv.AppendFloat(room[:0], f, 'g', -1, 64))
	case kJSON:
		switch v.tag {
		case tagTrue:
			return row.FromInt(1), 0, true
		case tagFalse:
			return row.FromInt(0), 0, true
		case tagOther:
			return n, 0, false
		case tagNumber:
			return parseDecimal(v.b)
		}
	}
	if whole && !isWhole(v.b) {
		return n, 0, false
	}
	return parseDecimal(v.b)
}

// isWhole reports whether a text has no point and no exponent.
func isWhole(b []byte) bool {
	for _, c := range b {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// shown is a value as a reason shows it.
func shown(v value, k kind) recordText {
	text := ""
	switch k {
	case kInt, kDecimal:
		text = string(v.num.AppendText(nil, int(v.scale)))
	case kDouble:
		text = strconv.FormatFloat(v.double(), 'g', -1, 64)
	case kJSON:
		return quote(jsonText(v).b)
	case kTime:
		return recordText{string(appendTime(nil, v.micros(), 6)), "a time"}
	default:
		return quote(v.b)
	}
	return recordText{text, fmt.Sprintf("the number has %d characters", len(text))}
}

func (c *compiler) castChar(e *expr, x compiled) compiled {
	if e.p < -1 {
		return c.fail(e, "CHAR(n) takes a number of characters")
	}
	if x.kind == kTime {
		eval, scale := x.eval, x.scale
		x.typ = typ{kind: kText, null: x.null, chars: 26}
		x.eval = func(r *rec) value {
			v := eval(r)
			if !v.set {
				return null
			}
			from := len(r.text)
			r.text = appendTime(r.text, v.micros(), scale)
			return textValue(r.text[from:len(r.text):len(r.text)])
		}
	} else {
		x = c.text(x)
	}
	x.src = e
	if e.p >= 0 {
		eval, n := x.eval, e.p
		if x.chars == 0 || n < x.chars {
			x.chars = max(1, n)
		}
		x.eval = func(r *rec) value {
			v := eval(r)
			v.b = cut(v.b, n)
			return v
		}
	}
	return x
}

// castTime reads text as a time, and cuts a time to digits of the second's fraction.
func (c *compiler) castTime(x compiled, digits int) compiled {
	unit := second
	for range digits {
		unit /= 10
	}
	eval, text, name := x.eval, x.kind == kText, ""
	if x.src != nil {
		name = x.src.text
	}
	if x.kind != kNull {
		x.typ = typ{kind: kTime, null: x.null, scale: digits}
	}
	x.eval = func(r *rec) value {
		v := eval(r)
		if !v.set {
			return null
		}
		micros := v.micros()
		if text {
			var ok bool
			if micros, ok = parseTime(v.b, r.zone); !ok {
				return r.fail("%s: %s is not a time such as 2015-05-17 10:05:03", name, quote(v.b))
			}
		}
		return timeValue(micros - modFloor(micros, unit))
	}
	return x
}

func modFloor(a, b int64) int64 { return a - floorDiv(a, b)*b }

func (c *compiler) castDouble(e *expr, x compiled) compiled {
	if x.kind == kTime {
		return c.fail(e, "%s is a time, no number", x.src.text)
	}
	eval, from, name := x.eval, x.kind, e.text
	x.src = e
	x.typ = typ{kind: kDouble, null: x.null}
	x.eval = func(r *rec) value {
		v := eval(r)
		switch {
		case !v.set:
			return null
		case from == kDouble:
			return v
		case from == kInt || from == kDecimal:
			return doubleValue(toDouble(v.num, int(v.scale)))
		}
		if from == kJSON {
			switch v.tag {
			case tagTrue:
				return doubleValue(1)
			case tagFalse:
				return doubleValue(0)
			case tagOther:
				return r.fail("%s: %s is no number of a DOUBLE's range", name, shown(v, from))
			}
			v = jsonText(v)
		}
		f, ok := parseDouble(v.b)
		if !ok {
			return r.fail("%s: %s is no number of a DOUBLE's range", name, quote(v.b))
		}
		return doubleValue(f)
	}
	return x
}

// fromUnix is the time of a number of seconds since 1970 UTC; digits past the sixth behind the point are cut.
func (c *compiler) fromUnix(e *expr) compiled {
	x := c.number(c.expr(e.args[0]))
	if x.kind == kDouble {
		return c.fail(e.args[0], "is a DOUBLE, which cannot hold microseconds: write CAST(%s AS DECIMAL(20,6))", e.args[0].text)
	}
	eval, name := x.eval, e.text
	out := compiled{typ: typ{kind: kTime, null: x.null}, constant: x.constant, src: e}
	switch {
	case x.kind == kDecimal && x.scale != anyScale:
		out.scale = min(x.scale, 6)
	case x.kind != kInt:
		out.scale = 6
	}
	out.eval = func(r *rec) value {
		v := eval(r)
		if !v.set {
			return null
		}
		n, ok := v.num, true
		if v.scale <= 6 {
			n, ok = n.Rescale(int(v.scale), 6)
		} else {
			n, _ = n.QuoRem(row.Pow10(int(v.scale) - 6))
		}
		micros, fits := n.Int64()
		if !ok || !fits || v.num.Sign() < 0 || micros > maxTime {
			return r.fail("%s: %s is out of range: want seconds since 1970", name, shown(v, kDecimal))
		}
		return timeValue(micros)
	}
	return out
}
