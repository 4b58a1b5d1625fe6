package funcs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var parsers = []expr.Function{{
	Name: "str_to_date", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("format").Const()}, Result: expr.Time, Compile: strToDate,
	Example: "'17/May/2015', '%d/%b/%Y'", Doc: "the time that the text is, by the specifiers of `DATE_FORMAT`",
}}

// dateParts are the parts of a time while STR_TO_DATE reads them. A part that was not read is 0.
type dateParts struct {
	year, month, day, dayOfYear, hour, minute, second, micro int64
	twelve                                                   bool // the hour is that of a clock of twelve hours
	afternoon                                                bool
}

// strToDate compiles STR_TO_DATE. It reads what MySQL reads without a warning; other texts make dead letters.
func strToDate(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	format := args[1].Eval(nil).Bytes
	if err := readable(string(format)); err != nil {
		return c.Fail(x.Source, "%w", err)
	}
	x.Scale = 0
	if bytes.Contains(format, []byte("%f")) {
		x.Scale = 6
	}
	name, zone := x.Source.Text, c.Zone
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		var p dateParts
		rest, ok := p.read(v.Bytes, format)
		local, valid := p.local()
		if !ok || !valid || len(value.TrimSpace(rest)) > 0 {
			return r.Fail("%s: %s does not match the format", name, value.Quote(v.Bytes))
		}
		at := value.Resolve(zone, local)
		if at < value.MinTime || at > value.MaxTime {
			return r.Fail(outOfYears, name)
		}
		return value.Time(at)
	})
}

// readable checks that a format of STR_TO_DATE gives a date.
func readable(format string) error {
	parts, err := formatParts(format)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.write != nil {
			b.WriteByte(p.char)
		}
	}
	chars := b.String()
	for i := 0; i+1 < len(format); i++ {
		if format[i] == '%' {
			if i++; specifiers[format[i]].write == nil {
				return fmt.Errorf("%q cannot be read: expected specifiers of letters", format[i-1:i+1])
			}
		}
	}
	has := func(any string) bool { return strings.ContainsAny(chars, any) }
	switch {
	case has("UuVvXx"):
		return errors.New("weeks cannot be read: expected %Y, %m and %d, or %Y and %j")
	case !has("YymcbMdeDj"):
		return errors.New("the format has no date, and there is no type of times of day: expected %Y, %m and %d too, of a text with a date")
	case !has("Yy") || !has("j") && (!has("mcbM") || !has("deD")):
		return errors.New("the format gives no whole date, for which MySQL returns one with zeros: expected %Y, %m and %d, of a text with the missing parts added by CONCAT")
	case has("p") && (!has("hIl") || strings.IndexByte(chars, 'p') < strings.IndexAny(chars, "hIl")):
		return errors.New("%p follows the hour of a clock of twelve hours: expected %h before it")
	}
	return nil
}

// read reads a text by a format, and returns what follows. As in MySQL, white space may be in front of each part, and a
// text that ends early leaves the remaining parts 0.
func (p *dateParts) read(b, format []byte) (rest []byte, ok bool) {
	for i := 0; i < len(format); i++ {
		for len(b) > 0 && value.IsSpace(b[0]) {
			b = b[1:]
		}
		if len(b) == 0 {
			return b, true
		}
		switch c := format[i]; {
		case c == '%' && i+1 < len(format):
			i++
			if b, ok = p.part(b, format[i]); !ok {
				return b, false
			}
		case value.IsSpace(c):
		case b[0] != c:
			return b, false
		default:
			b = b[1:]
		}
	}
	return b, true
}

var clock12, clock24 = []byte("%I:%i:%S %p"), []byte("%H:%i:%S")

// part reads one specifier.
func (p *dateParts) part(b []byte, specifier byte) (rest []byte, ok bool) {
	n := 0
	switch specifier {
	case 'Y':
		if p.year, n, b, ok = leadingDigits(b, 4); n <= 2 {
			p.year = fullYear(p.year)
		}
	case 'y':
		p.year, _, b, ok = leadingDigits(b, 2)
		p.year = fullYear(p.year)
	case 'm', 'c':
		p.month, _, b, ok = leadingDigits(b, 2)
	case 'd', 'e':
		p.day, _, b, ok = leadingDigits(b, 2)
	case 'D':
		p.day, _, b, ok = leadingDigits(b, 2)
		b = b[min(2, len(b)):]
	case 'j':
		p.dayOfYear, _, b, ok = leadingDigits(b, 3)
	case 'H', 'k':
		p.hour, _, b, ok = leadingDigits(b, 2)
	case 'h', 'I', 'l':
		p.twelve = true
		p.hour, _, b, ok = leadingDigits(b, 2)
	case 'i':
		p.minute, _, b, ok = leadingDigits(b, 2)
	case 'S', 's':
		p.second, _, b, ok = leadingDigits(b, 2)
	case 'f':
		p.micro, n, b, ok = leadingDigits(b, 6)
		for ; n < 6; n++ {
			p.micro *= 10
		}
	case 'w':
		weekday := int64(0)
		weekday, _, b, ok = leadingDigits(b, 1)
		ok = ok && weekday < 7
	case 'p':
		if ok = len(b) >= 2 && b[1]|0x20 == 'm' && (b[0]|0x20 == 'a' || b[0]|0x20 == 'p'); ok {
			p.afternoon, b = b[0]|0x20 == 'p', b[2:]
		}
	case 'M', 'b':
		p.month, b, ok = nameOf(b, specifier == 'b', 12, func(i int) string { return time.Month(i + 1).String() })
	case 'W', 'a':
		_, b, ok = nameOf(b, specifier == 'a', 7, func(i int) string { return time.Weekday(i).String() })
	case 'r':
		return p.read(b, clock12)
	case 'T':
		return p.read(b, clock24)
	}
	return b, ok
}

// leadingDigits reads up to so many digits, and reports how many there are.
func leadingDigits(b []byte, most int) (v int64, n int, rest []byte, ok bool) {
	for n < most && n < len(b) && b[n]-'0' < 10 {
		v = v*10 + int64(b[n]-'0')
		n++
	}
	return v, n, b[n:], n > 0
}

// nameOf reads a word that is one of so many names, or the first three letters of one if short is set. It returns the
// name's number from 1.
func nameOf(b []byte, short bool, names int, name func(i int) string) (number int64, rest []byte, ok bool) {
	n := 0
	for n < len(b) && b[n]|0x20 >= 'a' && b[n]|0x20 <= 'z' {
		n++
	}
	for i := range names {
		s := name(i)
		if short {
			s = s[:3]
		}
		if len(s) == n && strings.EqualFold(s, string(b[:n])) {
			return int64(i + 1), b[n:], true
		}
	}
	return 0, b, false
}

// local returns the time as microseconds since 1970-01-01 on the clocks of its zone.
func (p *dateParts) local() (micros int64, ok bool) {
	hour := p.hour
	if p.twelve {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		if hour %= 12; p.afternoon {
			hour += 12
		}
	}
	if hour > 23 || p.minute > 59 || p.second > 59 {
		return 0, false
	}
	days := int64(0)
	switch {
	case p.dayOfYear > 0:
		days = value.CivilDays(p.year, 1, 1) + p.dayOfYear - 1
	case p.month < 1 || p.month > 12 || p.day < 1 || p.day > value.CivilDays(p.year, p.month+1, 1)-value.CivilDays(p.year, p.month, 1):
		return 0, false
	default:
		days = value.CivilDays(p.year, p.month, p.day)
	}
	return days*value.Day + hour*value.Hour + p.minute*value.Minute + p.second*value.Second + p.micro, true
}
