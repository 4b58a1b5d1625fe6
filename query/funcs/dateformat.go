package funcs

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var formats = []expr.Function{
	{
		Name: "date_format", Params: []expr.Param{expr.Time.Param("time"), expr.Text.Param("format").Const()}, Result: expr.Text, Compile: dateFormat,
		Example: "ts, '%Y-%m-%d %H:00:00'", Doc: "the time as text, by the specifiers of MySQL",
	},
	{
		Name: "time_format", Params: []expr.Param{expr.Time.Param("time"), expr.Text.Param("format").Const()}, Result: expr.Text, Compile: timeFormat,
		Example: "ts, '%H:%i'", Doc: "the time of day as text, by the specifiers of `DATE_FORMAT`",
	},
}

// clockTime is what clocks show at an instant, in the parts that formats need.
type clockTime struct {
	civilDate
	hour, minute, second, micro int
}

func clockTimeOf(r *fold.Env, v value.Value) clockTime {
	at := local(r, v)
	ofDay := value.FloorMod(at, value.Day)
	t := clockTime{civilDate: dateAt(at)}
	t.hour, t.minute, t.second = int(ofDay/value.Hour), int(ofDay/value.Minute%60), int(ofDay/value.Second%60)
	t.micro = int(ofDay % value.Second)
	return t
}

func (t clockTime) weekday() time.Weekday { return time.Weekday(value.FloorMod(t.days+4, 7)) }

// hour12 returns the hour on a clock of twelve hours, 1 to 12.
func (t clockTime) hour12() int { return (t.hour+11)%12 + 1 }

func (t clockTime) half() string {
	if t.hour < 12 {
		return "AM"
	}
	return "PM"
}

// ordinal returns the suffix of the day of the month: 1st, 2nd, 3rd, 4th, 11th.
func (t clockTime) ordinal() string {
	if t.day/10 != 1 {
		switch t.day % 10 {
		case 1:
			return "st"
		case 2:
			return "nd"
		case 3:
			return "rd"
		}
	}
	return "th"
}

// specifier is a specifier of DATE_FORMAT.
type specifier struct {
	chars int  // the maximum number of characters
	date  bool // it shows a part of the date, which TIME_FORMAT has not
	write func(to []byte, t clockTime) []byte
}

// number returns a specifier that writes a number with zeros in front.
func number(width, chars int, date bool, of func(t clockTime) int) specifier {
	return specifier{chars, date, func(to []byte, t clockTime) []byte { return appendPadded(to, of(t), width) }}
}

// words returns a specifier that writes a text of the date.
func words(chars int, of func(t clockTime) string) specifier {
	return specifier{chars, true, func(to []byte, t clockTime) []byte { return append(to, of(t)...) }}
}

// weekOf returns a specifier that writes the week of a mode.
func weekOf(mode int) specifier {
	return number(2, 2, true, func(t clockTime) int { return weekModes[mode].of(t.civilDate).number })
}

// yearOfWeek returns a specifier that writes the year of the week of a mode.
func yearOfWeek(mode int) specifier {
	return number(4, 4, true, func(t clockTime) int { return weekModes[mode].of(t.civilDate).year })
}

// specifiers are those of DATE_FORMAT, by the character behind the percent sign.
var specifiers = map[byte]specifier{
	'Y': number(4, 4, true, func(t clockTime) int { return t.year }),
	'y': number(2, 2, true, func(t clockTime) int { return t.year % 100 }),
	'm': number(2, 2, true, func(t clockTime) int { return t.month }),
	'c': number(1, 2, true, func(t clockTime) int { return t.month }),
	'M': words(9, func(t clockTime) string { return time.Month(t.month).String() }),
	'b': words(3, func(t clockTime) string { return time.Month(t.month).String()[:3] }),
	'd': number(2, 2, true, func(t clockTime) int { return t.day }),
	'e': number(1, 2, true, func(t clockTime) int { return t.day }),
	'D': {4, true, func(to []byte, t clockTime) []byte { return append(appendPadded(to, t.day, 1), t.ordinal()...) }},
	'j': number(3, 3, true, func(t clockTime) int { return int(t.days-value.CivilDays(int64(t.year), 1, 1)) + 1 }),
	'W': words(9, func(t clockTime) string { return t.weekday().String() }),
	'a': words(3, func(t clockTime) string { return t.weekday().String()[:3] }),
	'w': number(1, 1, true, func(t clockTime) int { return int(t.weekday()) }),
	'U': weekOf(0), 'u': weekOf(1), 'V': weekOf(2), 'v': weekOf(3), 'X': yearOfWeek(2), 'x': yearOfWeek(3),
	'H': number(2, 2, false, func(t clockTime) int { return t.hour }),
	'k': number(1, 2, false, func(t clockTime) int { return t.hour }),
	'h': number(2, 2, false, clockTime.hour12), 'I': number(2, 2, false, clockTime.hour12), 'l': number(1, 2, false, clockTime.hour12),
	'i': number(2, 2, false, func(t clockTime) int { return t.minute }),
	'S': number(2, 2, false, func(t clockTime) int { return t.second }), 's': number(2, 2, false, func(t clockTime) int { return t.second }),
	'f': number(6, 6, false, func(t clockTime) int { return t.micro }),
	'p': {2, false, func(to []byte, t clockTime) []byte { return append(to, t.half()...) }},
	'T': {8, false, func(to []byte, t clockTime) []byte { return appendClock(to, t.hour, t) }},
	'r': {11, false, func(to []byte, t clockTime) []byte {
		return append(append(appendClock(to, t.hour12(), t), ' '), t.half()...)
	}},
}

func appendClock(to []byte, hour int, t clockTime) []byte {
	to = append(appendPadded(to, hour, 2), ':')
	return appendPadded(append(appendPadded(to, t.minute, 2), ':'), t.second, 2)
}

// appendPadded appends a number that is not negative with zeros in front.
func appendPadded(to []byte, n, width int) []byte {
	var digits [20]byte
	at := len(digits)
	for ; n > 0 || width > 0; n /= 10 {
		at--
		digits[at] = '0' + byte(n%10)
		width--
	}
	return append(to, digits[at:]...)
}

// formatPart is a part of a format: a specifier or literal text.
type formatPart struct {
	text string
	char byte // of the specifier; 0 for a text
	specifier
}

// formatParts splits a format. A percent sign before a character that is no letter stands for this character, as in MySQL.
// A letter that is no specifier is an error: MySQL would write the letter, and users of strftime expect something else.
func formatParts(format string) (all []formatPart, err error) {
	if format == "" {
		return nil, errors.New("the format is empty, for which MySQL returns NULL: expected one such as '%Y-%m-%d'")
	}
	var text []byte
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c != '%' || i+1 == len(format) {
			text = append(text, c)
			continue
		}
		i++
		c = format[i]
		s, is := specifiers[c]
		switch {
		case is:
			all = append(all, formatPart{text: string(text)}, formatPart{char: c, specifier: s})
			text = nil
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			return nil, fmt.Errorf("%%%c is not a specifier of DATE_FORMAT: expected %%Y %%m %%d for the date, %%H %%i %%s %%f for the time of day, or another of MySQL's, and %%%% for a percent sign", c)
		default:
			text = append(text, c)
		}
	}
	return append(all, formatPart{text: string(text)}), nil
}

func dateFormat(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	all, err := formatParts(string(args[1].Eval(nil).Bytes))
	if err != nil {
		return c.Fail(x.Source, "%w", err)
	}
	x.MaxChars = 0
	for _, p := range all {
		x.MaxChars += p.chars + utf8.RuneCountInString(p.text)
	}
	x.MaxChars = max(1, x.MaxChars)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		t := clockTimeOf(r, v)
		from := len(r.Text)
		for i := range all {
			if p := &all[i]; p.write != nil {
				r.Text = p.write(r.Text, t)
			} else {
				r.Text = append(r.Text, p.text...)
			}
		}
		return made(r, from)
	})
}

func timeFormat(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	all, err := formatParts(string(args[1].Eval(nil).Bytes))
	if err != nil {
		return c.Fail(x.Source, "%w", err)
	}
	for _, p := range all {
		if p.date {
			return c.Fail(x.Source, "%s is a part of the date, which TIME_FORMAT does not show: write DATE_FORMAT", "%"+string(p.char))
		}
	}
	return dateFormat(c, x, args)
}
