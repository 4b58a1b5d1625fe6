package expr

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/row"
)

// MySQL converts any value to any type. Here a value is converted without a CAST only if the result is obvious. Everything
// else is an error that says which CAST to write. These conversions are implicit:
//
//	integer → DECIMAL → DOUBLE      in arithmetic and comparisons of both
//	integer, DECIMAL → text         as an argument of a function that takes text
//	JSON field → the kind of the other operand
//	text literal → time             if the other operand is a time

// Number converts x to a number. A JSON field becomes a DECIMAL, and a hexadecimal or bit literal an integer; text and
// times are errors.
func (c *Compiler) Number(x Compiled) Compiled {
	switch {
	case x.Kind.IsNumber() || x.Kind == value.KindNull:
		return x
	case isBytes(x):
		return c.bytesNumber(x)
	case x.Kind == value.KindJSON:
		eval, name := x.Eval, x.Source.Text
		x.Type = jsonAs(value.KindDecimal)
		x.Eval = func(r *fold.Env) value.Value { return jsonNumber(r, eval(r), name) }
		return x
	case x.Kind == value.KindTime:
		return c.Fail(x.Source, "is a time, but a number is expected: times are compared, and grouped by TUMBLE(time, INTERVAL n unit)")
	}
	return c.Fail(x.Source, "is text, but a number is expected: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", x.Source.Text, x.Source.Text)
}

// double converts x, which must be a number, to a DOUBLE.
func (c *Compiler) double(x Compiled) Compiled {
	x = c.Number(x)
	if x.Kind != value.KindInt && x.Kind != value.KindDecimal {
		return x
	}
	eval := x.Eval
	x.Kind = value.KindDouble
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if v.Set {
			return value.Double(value.ToDouble(v.Number, int(v.Scale)))
		}
		return value.Null
	}
	return x
}

// Text converts x to text. Integers and decimals are formatted as MySQL formats them; times and DOUBLEs are errors.
func (c *Compiler) Text(x Compiled) Compiled {
	eval := x.Eval
	switch x.Kind {
	case value.KindText, value.KindNull:
		return x
	case value.KindJSON:
		x.Type = value.Type{Kind: value.KindText, Nullable: x.Nullable}
		return x
	case value.KindInt, value.KindDecimal:
		shown := x.Scale
		x.Type = value.Type{Kind: value.KindText, Nullable: x.Nullable, MaxChars: row.MaxDigits + 3}
		x.Eval = func(r *fold.Env) value.Value {
			v := eval(r)
			if !v.Set {
				return value.Null
			}
			return numberText(r, v, shown)
		}
		return x
	case value.KindTime:
		return c.Fail(x.Source, "is a time, but text is expected: write CAST(%s AS CHAR), which is in UTC", x.Source.Text)
	}
	return c.Fail(x.Source, "is a DOUBLE, but text is expected: write CAST(%s AS DECIMAL(p,s)) first, because servers write DOUBLEs differently", x.Source.Text)
}

// OnlyText converts x, a JSON field, to text, for an aggregate that compares texts. A record whose value is not a string
// becomes a dead letter, because numbers compare differently.
func (c *Compiler) OnlyText(x Compiled, aggregate string) Compiled {
	eval, name := x.Eval, x.Source.Text
	x.Type = value.Type{Kind: value.KindText, Nullable: x.Nullable}
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if v.Set && v.Tag != value.TagText {
			return r.Fail("%s(%s) compares texts, got %s: write %s(CAST(%s AS DECIMAL(p,s))) for numbers", aggregate, name, value.Quote(v.Bytes), aggregate, name)
		}
		return v
	}
	return x
}

// numberText formats a number, with as many digits after the point as its type shows.
func numberText(r *fold.Env, v value.Value, shown int) value.Value {
	n, scale := v.Number, int(v.Scale)
	if shown != value.AnyScale {
		var ok bool
		if n, ok = n.Rescale(scale, shown); !ok {
			return r.Fail("a number with %d digits after its point has more than 38 digits", shown)
		}
		scale = shown
	}
	from := len(r.Text)
	r.Text = n.AppendText(r.Text, scale)
	return value.Text(r.Text[from:len(r.Text):len(r.Text)])
}

// coerce converts x to a type that unify found.
func (c *Compiler) coerce(x Compiled, to value.Type) Compiled {
	if x.Kind == value.KindNull || x.Kind == to.Kind {
		return x
	}
	switch to.Kind {
	case value.KindDouble:
		return c.double(x)
	case value.KindInt, value.KindDecimal:
		return c.Number(x)
	case value.KindText:
		return c.Text(x)
	case value.KindTime:
		if x.Kind == value.KindJSON {
			return c.CastTime(c.Text(x), 6)
		}
	}
	return x
}

// TimeLiteral converts x to a time if x is a text literal. Call it only if the other operand is a time: text that is
// not a literal is an error. Other kinds are returned unchanged.
func (c *Compiler) TimeLiteral(x Compiled) Compiled {
	if x.Kind != value.KindText {
		return x
	}
	if !x.Constant {
		return c.Fail(x.Source, "is text beside a time: write CAST(%s AS DATETIME)", x.Source.Text)
	}
	b := x.Eval(fold.Constant(c.Zone)).Bytes
	micros, ok := value.ParseTime(b, c.Zone)
	if !ok {
		return c.Fail(x.Source, "expected a time such as '2015-05-17 10:05:03', which is in %s, or with a zone '2015-05-17 10:05:03+02:00'", option.Ref("time-zone"))
	}
	v := value.Time(micros)
	scale := 0
	if micros%value.Second != 0 {
		scale = 6
	}
	return Compiled{Type: value.Type{Kind: value.KindTime, Scale: scale}, Constant: true, Source: x.Source, Eval: func(*fold.Env) value.Value { return v }}
}

// jsonNumber reads a JSON field as a number.
func jsonNumber(r *fold.Env, v value.Value, name string) value.Value {
	if !v.Set {
		return value.Null
	}
	switch v.Tag {
	case value.TagTrue:
		return value.Int(1)
	case value.TagFalse:
		return value.Int(0)
	case value.TagNumber:
		n, scale, ok := value.ParseDecimal(v.Bytes)
		if !ok {
			return r.Fail("%s: %s has more than 38 digits, or is not a number", name, value.Quote(v.Bytes))
		}
		return value.Value{Number: n, Scale: uint8(scale), Set: true}
	case value.TagText:
		return r.Fail("%s: expected a number, got the text %s; CAST(%s AS DECIMAL(p,s)) reads numbers in quotes too", name, value.Quote(v.Bytes), name)
	}
	// TagQuoted is text, too.
	return r.Fail("%s: expected a number, got %s", name, value.Quote(v.Bytes))
}
