package expr

import (
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// casts maps the types of CAST, by the parser's names for them (SIGNED INTEGER is signed), to their compilers.
var casts = map[string]func(c *Compiler, e *ast.Expr, x Compiled) Compiled{
	"signed": (*Compiler).castSigned, "unsigned": (*Compiler).castUnsigned, "decimal": (*Compiler).castDecimal,
	"char": (*Compiler).castChar, "nchar": (*Compiler).castChar, "datetime": (*Compiler).castDatetime,
	"double": (*Compiler).castDouble, "float": (*Compiler).castDouble, "real": (*Compiler).castDouble,
}

// cast compiles CAST(x AS type). A value that MySQL would change with a warning makes the record a dead letter, as it makes
// an INSERT fail in strict mode.
func (c *Compiler) cast(e *ast.Expr) Compiled {
	x := c.Compile(e.Args[0])
	x.Source = e.Args[0]
	if to := casts[e.Name]; to != nil {
		return to(c, e, x)
	}
	if write := insteadOfCast[e.Name]; write != "" {
		return c.Fail(e, write, x.Source.Text)
	}
	return c.Fail(e, "expected CAST to SIGNED, UNSIGNED, DECIMAL(p,s), CHAR(n), DATE, DATETIME or DOUBLE")
}

// insteadOfCast holds what to write in place of the types of MySQL whose values are none of package value.
var insteadOfCast = map[string]string{
	"time":   "there are no times without a date: write TIME_TO_SEC(%s) for the seconds of the day",
	"json":   "write JSON_EXTRACT(%s, '$') for the JSON that a text contains",
	"binary": "text is compared by its bytes: write %s without the CAST",
}

func (c *Compiler) castSigned(e *ast.Expr, x Compiled) Compiled {
	return c.castNumber(e, x, value.KindInt, row.MaxDigits, 0, math.MinInt64, math.MaxInt64)
}

func (c *Compiler) castUnsigned(e *ast.Expr, x Compiled) Compiled {
	return c.castNumber(e, x, value.KindInt, row.MaxDigits, 0, 0, math.MaxUint64)
}

func (c *Compiler) castDecimal(e *ast.Expr, x Compiled) Compiled {
	p, s := e.Precision, max(e.Scale, 0)
	if p == -1 {
		p = 10
	}
	if p < 1 || p > row.MaxDigits || s > value.MaxScale || s > p {
		return c.Fail(e, "DECIMAL(p,s) takes p from 1 to %d and s from 0 to %d, not above p", row.MaxDigits, value.MaxScale)
	}
	return c.castNumber(e, x, value.KindDecimal, p, s, 0, 0)
}

func (c *Compiler) castDatetime(e *ast.Expr, x Compiled) Compiled {
	if e.Precision > 6 || e.Precision < -1 {
		return c.Fail(e, "DATETIME(n) takes n from 0 to 6")
	}
	if x.Kind == value.KindJSON {
		x = c.Text(x)
	}
	if x.Kind != value.KindText && x.Kind != value.KindTime && x.Kind != value.KindNull {
		return c.Fail(e, "%s is %s: write FROM_UNIXTIME(%s) for seconds since 1970", x.Source.Text, x.Kind, x.Source.Text)
	}
	digits := max(e.Precision, 0)
	out := c.CastTime(x, digits)
	out.Source, out.Type = e, value.Type{Kind: value.KindTime, Nullable: x.Nullable, Scale: digits} // also if x is NULL
	return out
}

// castNumber casts to an integer between low and high, or to a decimal of p digits, s of them after the point.
func (c *Compiler) castNumber(e *ast.Expr, x Compiled, to value.Kind, p, s int, low int64, high uint64) Compiled {
	if isBytes(x) {
		x = c.Number(x)
	}
	out := Compiled{Type: value.Type{Kind: to, Nullable: x.Nullable, Scale: s}, Constant: x.Constant, Source: e}
	if to == value.KindDecimal {
		out.Precision = p
	}
	if x.Kind == value.KindTime {
		return c.Fail(e, "%s is a time: times are compared, and grouped by TUMBLE(time, INTERVAL n unit)", x.Source.Text)
	}
	eval, from, name := x.Eval, x.Kind, e.Text
	bottom, top := row.FromInt(low), row.Number{Lo: high}
	out.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return value.Null
		}
		n, scale, ok := numberOf(v, from, to == value.KindInt)
		if !ok && from != value.KindDouble {
			return r.Fail("%s: %s is not a number", name, value.Show(v, from))
		}
		if ok {
			n, ok = n.Rescale(scale, s)
		}
		if ok && to == value.KindInt {
			ok = n.Compare(bottom) >= 0 && n.Compare(top) <= 0
		} else if ok {
			ok = n.Digits(p)
		}
		if !ok {
			return r.Fail("%s: %s is out of range", name, value.Show(v, from))
		}
		return value.Value{Number: n, Scale: uint8(s), Set: true}
	}
	return out
}

// numberOf converts any value to a number. whole means that the result is to be an integer: as in MySQL, a DOUBLE is
// then rounded half to even, and a text with a point or an exponent is not accepted.
func numberOf(v value.Value, k value.Kind, whole bool) (n row.Number, scale int, ok bool) {
	switch k {
	case value.KindInt, value.KindDecimal:
		return v.Number, int(v.Scale), true
	case value.KindDouble:
		f := v.Double()
		if whole {
			n, ok = value.WholeNumber(math.RoundToEven(f))
			return n, 0, ok
		}
		var room [64]byte
		return value.ParseDecimal(strconv.AppendFloat(room[:0], f, 'g', -1, 64))
	case value.KindJSON:
		switch v.Tag {
		case value.TagTrue:
			return row.FromInt(1), 0, true
		case value.TagFalse:
			return row.FromInt(0), 0, true
		case value.TagOther:
			return n, 0, false
		case value.TagNumber:
			return value.ParseDecimal(v.Bytes)
		}
	}
	if whole && !isWhole(v.Bytes) {
		return n, 0, false
	}
	return value.ParseDecimal(v.Bytes)
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

func (c *Compiler) castChar(e *ast.Expr, x Compiled) Compiled {
	if e.Precision < -1 {
		return c.Fail(e, "CHAR(n) takes a number of characters")
	}
	if x.Kind == value.KindTime {
		eval, scale := x.Eval, x.Scale
		x.Type = value.Type{Kind: value.KindText, Nullable: x.Nullable, MaxChars: 26}
		x.Eval = func(r *fold.Env) value.Value {
			v := eval(r)
			if !v.Set {
				return value.Null
			}
			from := len(r.Text)
			r.Text = value.AppendTime(r.Text, v.Micros(), scale)
			return value.Text(r.Text[from:len(r.Text):len(r.Text)])
		}
	} else {
		x = c.Text(x)
	}
	x.Source = e
	if e.Precision >= 0 {
		eval, n := x.Eval, e.Precision
		if x.MaxChars == 0 || n < x.MaxChars {
			x.MaxChars = max(1, n)
		}
		x.Eval = func(r *fold.Env) value.Value {
			v := eval(r)
			v.Bytes = value.Cut(v.Bytes, n)
			return v
		}
	}
	return x
}

// CastTime converts x, which must be a text, a time or NULL, to a time with so many digits (0 to 6) of the second's
// fraction. Further digits are cut.
func (c *Compiler) CastTime(x Compiled, digits int) Compiled {
	unit := value.Second
	for range digits {
		unit /= 10
	}
	eval, text, name := x.Eval, x.Kind == value.KindText, ""
	if x.Source != nil {
		name = x.Source.Text
	}
	if x.Kind != value.KindNull {
		x.Type = value.Type{Kind: value.KindTime, Nullable: x.Nullable, Scale: digits}
	}
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return value.Null
		}
		micros := v.Micros()
		if text {
			var ok bool
			if micros, ok = value.ParseTime(v.Bytes, r.Times.Zone); !ok {
				return r.Fail("%s: %s is not a time such as 2015-05-17 10:05:03", name, value.Quote(v.Bytes))
			}
		}
		return value.Time(micros - value.FloorMod(micros, unit))
	}
	return x
}

func (c *Compiler) castDouble(e *ast.Expr, x Compiled) Compiled {
	if x.Kind == value.KindTime {
		return c.Fail(e, "%s is a time, not a number", x.Source.Text)
	}
	eval, from, name := x.Eval, x.Kind, e.Text
	x.Source = e
	x.Type = value.Type{Kind: value.KindDouble, Nullable: x.Nullable}
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		switch {
		case !v.Set:
			return value.Null
		case from == value.KindDouble:
			return v
		case from == value.KindInt || from == value.KindDecimal:
			return value.Double(value.ToDouble(v.Number, int(v.Scale)))
		}
		if from == value.KindJSON {
			switch v.Tag {
			case value.TagTrue:
				return value.Double(1)
			case value.TagFalse:
				return value.Double(0)
			case value.TagOther:
				return r.Fail("%s: %s is not a number in the range of a DOUBLE", name, value.Show(v, from))
			}
		}
		f, ok := value.ParseDouble(v.Bytes)
		if !ok {
			return r.Fail("%s: %s is not a number in the range of a DOUBLE", name, value.Quote(v.Bytes))
		}
		return value.Double(f)
	}
	return x
}
