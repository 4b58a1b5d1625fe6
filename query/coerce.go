package query

import (
	"unicode/utf8"

	"github.com/sluice-etl/sluice/row"
)

// MySQL turns anything into anything. Here a value changes its kind by itself only where no two people could expect
// different results; everything else is refused with the CAST to write:
//
//	integer → DECIMAL → DOUBLE      where they meet in arithmetic and comparisons
//	integer, DECIMAL → text         where a function wants text
//	JSON field → what stands beside it
//	text literal → time             beside a time

// number wants a number. A JSON field becomes a DECIMAL.
func (c *compiler) number(x compiled) compiled {
	switch {
	case x.kind.number() || x.kind == kNull:
		return x
	case x.kind == kJSON:
		eval, name := x.eval, x.src.text
		x.typ = jsonAs(kDecimal)
		x.eval = func(r *rec) value { return jsonNumber(r, eval(r), name) }
		return x
	case x.kind == kTime:
		return c.fail(x.src, "is a time, and a number is wanted: times are compared, and grouped by TUMBLE(time, INTERVAL n unit)")
	}
	return c.fail(x.src, "is text, and a number is wanted: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", x.src.text, x.src.text)
}

// double wants a number, and makes it a DOUBLE.
func (c *compiler) double(x compiled) compiled {
	x = c.number(x)
	if x.kind != kInt && x.kind != kDecimal {
		return x
	}
	eval := x.eval
	x.kind = kDouble
	x.eval = func(r *rec) value {
		v := eval(r)
		if v.set {
			return doubleValue(toDouble(v.num, int(v.scale)))
		}
		return null
	}
	return x
}

// text wants text. Integers and decimals are written as MySQL writes them.
func (c *compiler) text(x compiled) compiled {
	eval := x.eval
	switch x.kind {
	case kText, kNull:
		return x
	case kJSON:
		x.typ = typ{kind: kText, null: x.null}
		x.eval = func(r *rec) value { return jsonText(eval(r)) }
		return x
	case kInt, kDecimal:
		shown := x.scale
		x.typ = typ{kind: kText, null: x.null, chars: row.MaxDigits + 3}
		x.eval = func(r *rec) value {
			v := eval(r)
			if !v.set {
				return null
			}
			return numberText(r, v, shown)
		}
		return x
	case kTime:
		return c.fail(x.src, "is a time, and text is wanted: write CAST(%s AS CHAR), which is in UTC", x.src.text)
	}
	return c.fail(x.src, "is a DOUBLE, and text is wanted: write CAST(%s AS DECIMAL(p,s)) first, for servers write DOUBLEs differently", x.src.text)
}

// numberText writes a decimal with the digits that its type shows.
func numberText(r *rec, v value, shown int) value {
	n, scale := v.num, int(v.scale)
	if shown != anyScale {
		var ok bool
		if n, ok = n.Rescale(scale, shown); !ok {
			return r.fail("a number with %d digits after its point has more than 38 digits", shown)
		}
		scale = shown
	}
	from := len(r.text)
	r.text = n.AppendText(r.text, scale)
	return textValue(r.text[from:len(r.text):len(r.text)])
}

// coerce makes x yield values of type to, which unify found.
func (c *compiler) coerce(x compiled, to typ) compiled {
	if x.kind == kNull || x.kind == to.kind {
		return x
	}
	switch to.kind {
	case kDouble:
		return c.double(x)
	case kInt, kDecimal:
		return c.number(x)
	case kText:
		return c.text(x)
	case kTime:
		if x.kind == kJSON {
			return c.castTime(c.text(x), 6)
		}
	}
	return x
}

// timeLiteral reads a text literal beside a time.
func (c *compiler) timeLiteral(x compiled) compiled {
	if x.kind != kText {
		return x
	}
	if !x.constant {
		return c.fail(x.src, "is text beside a time: write CAST(%s AS DATETIME)", x.src.text)
	}
	b := x.eval(&rec{zone: c.zone}).b
	micros, ok := parseTime(b, c.zone)
	if !ok {
		return c.fail(x.src, "want a time such as '2015-05-17 10:05:03', which is in --time-zone, or with a zone '2015-05-17 10:05:03+02:00'")
	}
	v := timeValue(micros)
	scale := 0
	if micros%second != 0 {
		scale = 6
	}
	return compiled{typ: typ{kind: kTime, scale: scale}, constant: true, src: x.src, eval: func(*rec) value { return v }}
}

// runeCount is the number of characters; a byte that is no UTF-8 counts as one.
func runeCount(b []byte) int { return utf8.RuneCount(b) }

// cut is the first n characters.
func cut(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	at := 0
	for ; n > 0 && at < len(b); n-- {
		if b[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(b[at:])
		at += size
	}
	return b[:at:at]
}
