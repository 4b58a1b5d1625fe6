package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// diffColumn is a column of the table that both sides read: the server from a table, ours by diffFormat.
type diffColumn struct {
	name   string
	typ    value.Type
	theirs string                   // its type on the server
	header bool                     // ours reads it by header('name')
	draw   func(*rand.Rand) *string // returns a value in the form of an SQL literal, without quotes; nil is NULL
}

const diffText = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

var diffColumns = []diffColumn{
	{name: "i1", typ: value.Type{Kind: value.KindInt, Nullable: true}, theirs: "BIGINT", draw: drawInt(math.MinInt64, math.MaxInt64)},
	{name: "i2", typ: value.Type{Kind: value.KindInt, Nullable: true}, theirs: "BIGINT", draw: drawInt(math.MinInt64, math.MaxInt64)},
	{name: "n1", typ: value.Type{Kind: value.KindInt, Nullable: true}, theirs: "BIGINT", draw: drawFrom("-3", "-2", "-1", "0", "1", "2", "3", "4", "7", "10", "12")},
	{name: "u1", typ: value.Type{Kind: value.KindInt, Nullable: true}, theirs: "BIGINT UNSIGNED", draw: drawInt(0, math.MaxUint64)},
	{name: "d1", typ: value.Type{Kind: value.KindDecimal, Nullable: true, Scale: 6, Precision: 20}, theirs: "DECIMAL(20,6)", draw: drawDecimal(20, 6)},
	{name: "d2", typ: value.Type{Kind: value.KindDecimal, Nullable: true, Scale: 10, Precision: 28}, theirs: "DECIMAL(28,10)", draw: drawDecimal(28, 10)},
	{name: "d3", typ: value.Type{Kind: value.KindDecimal, Nullable: true, Scale: 1, Precision: 5}, theirs: "DECIMAL(5,1)", draw: drawDecimal(5, 1)},
	{name: "d4", typ: value.Type{Kind: value.KindDecimal, Nullable: true, Precision: 38}, theirs: "DECIMAL(38,0)", draw: drawDecimal(38, 0)},
	{name: "d5", typ: value.Type{Kind: value.KindDecimal, Nullable: true, Scale: 5, Precision: 9}, theirs: "DECIMAL(9,5)", draw: drawDecimal(9, 5)},
	{name: "f1", typ: value.Type{Kind: value.KindDouble, Nullable: true}, theirs: "DOUBLE", draw: drawDouble},
	{name: "f2", typ: value.Type{Kind: value.KindDouble, Nullable: true}, theirs: "DOUBLE", draw: drawDouble},
	{name: "s1", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawText},
	{name: "s2", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawText},
	{name: "x1", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawNumberText},
	{name: "y1", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawTimeText},
	{name: "h1", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawText, header: true},
	{name: "a1", typ: value.Type{Kind: value.KindText, Nullable: true}, theirs: diffText, draw: drawAddress},
	{name: "t1", typ: value.Type{Kind: value.KindTime, Nullable: true, Scale: 6}, theirs: "DATETIME(6)", draw: drawTime},
	{name: "t2", typ: value.Type{Kind: value.KindTime, Nullable: true, Scale: 6}, theirs: "DATETIME(6)", draw: drawTime},
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// orNull makes one of twenty values NULL.
func orNull(rng *rand.Rand, s string) *string {
	if rng.IntN(20) == 0 {
		return nil
	}
	return &s
}

func drawFrom(pool ...string) func(*rand.Rand) *string {
	return func(rng *rand.Rand) *string { return orNull(rng, pick(rng, pool...)) }
}

// drawInt returns integers near limits, near zero, near powers, and of any size.
func drawInt(low int64, high uint64) func(*rand.Rand) *string {
	return func(rng *rand.Rand) *string {
		var n row.Number
		switch rng.IntN(6) {
		case 0:
			n = row.FromInt(low)
			n, _ = n.Plus(row.FromInt(rng.Int64N(3)))
		case 1:
			n, _ = (row.Number{Lo: high}).Plus(row.FromInt(-rng.Int64N(3)))
		case 2:
			n = row.FromInt(rng.Int64N(41) - 20)
		case 3:
			n = row.Number{Lo: 1 << rng.IntN(63)}
			n, _ = n.Plus(row.FromInt(rng.Int64N(3) - 1))
		case 4:
			n, _ = row.Pow10(rng.IntN(19)).Plus(row.FromInt(rng.Int64N(3) - 1))
		default:
			n = row.FromInt(rng.Int64() >> rng.IntN(63))
		}
		if rng.IntN(2) == 0 {
			n = n.Neg()
		}
		if n.Compare(row.FromInt(low)) < 0 || n.Compare(row.Number{Lo: high}) > 0 {
			n = n.Neg()
		}
		if n.Compare(row.FromInt(low)) < 0 {
			n = row.FromInt(low)
		}
		return orNull(rng, string(n.AppendText(nil, 0)))
	}
}

// drawDecimal returns decimals with halves, nines, many digits, and few.
func drawDecimal(prec, scale int) func(*rand.Rand) *string {
	return func(rng *rand.Rand) *string {
		digits := func(n int) string {
			var b strings.Builder
			kind := rng.IntN(5)
			for range n {
				switch kind {
				case 0:
					b.WriteByte('9')
				case 1:
					b.WriteByte(pick[byte](rng, '0', '0', '0', '5'))
				case 2:
					b.WriteByte(pick[byte](rng, '4', '9', '5'))
				default:
					b.WriteByte('0' + byte(rng.IntN(10)))
				}
			}
			return b.String()
		}
		most := prec - scale
		whole := digits(pick(rng, 0, 1, most, most, rng.IntN(most+1), rng.IntN(most+1)))
		text := whole
		if whole == "" {
			text = "0"
		}
		if n := pick(rng, 0, scale, rng.IntN(scale+1)); n > 0 {
			text += "." + digits(n)
		}
		return orNull(rng, pick(rng, "", "-")+text)
	}
}

func drawDouble(rng *rand.Rand) *string {
	var f float64
	switch rng.IntN(6) {
	case 0:
		f = pick(rng, 0.0, 1, 0.5, 1.5, 2.5, 3.5, 0.1, 0.2, 0.3, 1e15, 1e16, 1e17, 9007199254740993, 67106846074035034, 9223372036854775807, 18446744073709551615, 1e22, 1e23)
	case 1:
		f = pick[float64](rng, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e-35, 1e-30, 4.9e-31, 1e30, 1e38, 1e300, 1e-300)
	case 2:
		f = float64(rng.Int64N(2000)-1000) / pick(rng, 1.0, 2, 4, 10, 100, 1000)
	case 3:
		f = rng.NormFloat64() * math.Pow(10, float64(rng.IntN(40)-20))
	case 4:
		f = float64(rng.Int64()>>rng.IntN(63)) / 2
	default:
		if f = math.Float64frombits(rng.Uint64()); math.IsNaN(f) || math.IsInf(f, 0) {
			f = 1
		}
	}
	if rng.IntN(2) == 0 {
		f = -f
	}
	if f == 0 {
		f = 0 // the server's column keeps the sign of a zero, which compares equal
	}
	return orNull(rng, strconv.FormatFloat(f, 'e', -1, 64))
}

var diffPieces = []string{
	"a", "a", "b", "A", "aa", "ab", "aba", " ", "  ", "%", "_", "\\", "|", "'", "\"", "/", "?", "-", "--", ".", "é", "e\u0301", "ß", "ss", "\u4e2d", "😀", "👩\u200d👧", "\x00",
	"\t", "\n", "\ufeff", "\u00a0", "0", "1", "12", "null", "%_", "ı", "İ", "\U0010ffff", "\uffff", ";", "/*", "*/", "#", "\x1a", "\x7f",
}

func drawText(rng *rand.Rand) *string {
	var b strings.Builder
	for range rng.IntN(7) {
		b.WriteString(pick(rng, diffPieces...))
	}
	if rng.IntN(10) == 0 {
		b.WriteString(strings.Repeat(pick(rng, diffPieces...), rng.IntN(40)))
	}
	return orNull(rng, b.String())
}

// drawNumberText returns texts that are numbers, almost numbers, and not numbers.
func drawNumberText(rng *rand.Rand) *string {
	switch rng.IntN(8) {
	case 0:
		return drawText(rng)
	case 1:
		return orNull(rng, pick(rng, "1_000", "0x1p4", "0x10", "0b1", " 1", "1 ", "\t1\n", "1e5x", "1e5", "1e-5", "1E5", "+1", "-1", "--1", "+-1", ".5", "5.", ".", "-.5e1", "1e", "1e+", "inf", "nan", "Infinity",
			"", " ", "-", "1,5", "1 2", "0", "-0", "00012", "0.0", "1e999", "1e-999", "-1e999", "1\x00", "\u00a01", "١", "1e309", "true", "1f", "1d", "1L", "1.5.2", "9223372036854775807", "9223372036854775808",
			"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "0.5", "-0.5", "1.5", "2.5", "12.0", "12.", "1e1", "1.5e1", "15e-1", "\v1", "\f1", "\r1",
			"0.000000000000000000000000000000000000001", "99999999999999999999999999999999999999", "999999999999999999999999999999999999999", strings.Repeat("9", 65), strings.Repeat("9", 66), "1e37", "1e38", "1e64",
			"0.1234567890123456789012345678901234567890", "4.9e-31", "5e-31", "1e-30", "0e500", "0e-500"))
	case 2, 3:
		return drawInt(math.MinInt64, math.MaxUint64)(rng)
	case 4:
		return drawDouble(rng)
	case 5:
		return orNull(rng, pick(rng, "", " ", "\t", "+")+strconv.Itoa(rng.IntN(2000)-1000)+pick(rng, "", " ", "x", "e2", ".5", "\n", "."))
	}
	return drawDecimal(1+rng.IntN(38), 0)(rng)
}

func diffTime(rng *rand.Rand) time.Time {
	switch rng.IntN(5) {
	case 0:
		return pick(rng,
			time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
			time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC), time.Date(2026, 3, 29, 1, 59, 59, 500000000, time.UTC), time.Date(2026, 10, 25, 2, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 1, 30, 0, 0, time.UTC), time.Date(2026, 4, 5, 1, 45, 0, 0, time.UTC),
			time.Date(2026, 3, 8, 2, 0, 0, 0, time.UTC), time.Date(2026, 10, 4, 2, 15, 0, 0, time.UTC), time.Date(2000, 2, 29, 12, 0, 0, 0, time.UTC), time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
			time.Date(2015, 12, 31, 23, 59, 59, 500000000, time.UTC), time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2015, 5, 17, 10, 5, 3, 250000000, time.UTC), time.Date(1582, 10, 10, 0, 0, 0, 0, time.UTC))
	case 1:
		return time.UnixMicro(rng.Int64N(value.MaxTime-value.MinTime) + value.MinTime).UTC()
	case 2:
		return time.Unix(rng.Int64N(1<<31), 0).UTC()
	}
	return time.UnixMicro(1431857103000000 + rng.Int64N(4e12)).UTC()
}

func drawTime(rng *rand.Rand) *string {
	return orNull(rng, diffTime(rng).Format("2006-01-02 15:04:05.000000"))
}

// drawTimeText returns texts that are times, almost times, and not times.
func drawTimeText(rng *rand.Rand) *string {
	t := diffTime(rng)
	switch rng.IntN(8) {
	case 0:
		return orNull(rng, pick(rng, "", " ", "2015-02-29", "2015-13-01", "2015-00-10", "2015-01-00", "0000-00-00", "0000-01-01", "0999-12-31 23:59:59", "1000-01-01", "9999-12-31 23:59:59.9999999", "2015-05-17 24:00:00",
			"2015-05-17 23:60:00", "2015-05-17 23:59:60", "2015-05-17 23:59:61", "2015-05-17T10:05:03", "2015-05-17T10:05:03Z", "2015-05-17 10:05:03+02:00", "2015-05-17 10:05:03 +0200", "2015-05-17 10:05", "2015-05-17 10",
			"2015-05-17 1:2:3", "2015-5-7", "15-05-17", "20150517", "20150517100503", "2015/05/17", "2015-05-17 10:05:03.", "2015-05-17 10:05:03,25", "2015-05-17 10:05:03.1234567", "2015-05-17 10:05:03.1234569999", "2015-05-17x",
			"2015-05-17 10:05:03x", " 2015-05-17 10:05:03 ", "2015-05-17  10:05:03", "17/May/2015:10:05:03 +0000", "not a time", "2015-05-17 10:05:03.5.5", "2015-05-17 10:05:03 UTC", "2015-05-17 ", "2015-05-17T", "10:05:03", "1431857103",
			"2015-05-17 10:05:03\x00", "2015-05-17 10:05:3", "2015-05-17t10:05:03", "2015-05-17 10.05.03", "2015-05-17 10:05:03-00:00", "2015-06-31", "2000-02-29", "1900-02-29", "-2015-05-17", "+2015-05-17", "2015-05-17 -1:00:00",
			"2015-05-17 10:05:03.25Z", "2015-05-17 10:05:", "2015-05-17 10:05:03.x", "2015-05-17\t10:05:03", "2015-05-17\n", "2015-05-17 10:05:03e1", "12015-05-17", "2015-05-171"))
	case 1:
		return drawText(rng)
	}
	layout := pick(rng, "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04:05.000", "2006-01-02 15:04:05.000000", "2006-01-02T15:04:05.00", "2006-01-02 15:04:05.000000000", "2006-1-2", "06-01-02", "20060102")
	return orNull(rng, t.Format(layout))
}

// drawAddress returns IP addresses, and texts that are almost IP addresses.
func drawAddress(rng *rand.Rand) *string {
	switch rng.IntN(3) {
	case 0:
		return orNull(rng, pick(rng, "", "1.2.3.4", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "127.1", "1", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", " 1.2.3.4", "1.2.3.4 ", "01.2.3.004", "0001.2.3.4", "1.2.3.-4", "1.2.3.x", "::", "::1", ":::",
			":1", "1:", "1::", "1::2::3", "fe80::1%eth0", "::ffff:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::256.1.1.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
			"00001::", "g::", "ABCD:ef01::", "1.2.3.4::", "::1.2.3.4:5", "::01.2.3.004", "1:2:3:4:5:6::1.2.3.4", "1:2:3:4:5::1.2.3.4", "::ffff:1.2.3.4\x00", "[::1]", "::/0",
			"10.1.2.3", "192.168.7.9", "::ffff:10.0.0.1", "::10.0.0.1", "2001:db8::1", "2001:db8:0:0:1:0:0:1", "2001:0:0:1::", "1:0:1:0:1:0:1:0", "::1:0", "::ffff", "::1:ffff", "::ffff:0:0", "::fffe:1.2.3.4", "0:1:0:0:0:0:0:0"))
	case 1:
		var octets []string
		for range pick(rng, 4, 4, 4, 3, 5) {
			octets = append(octets, strconv.Itoa(rng.IntN(270)))
		}
		return orNull(rng, strings.Join(octets, "."))
	}
	var groups []string
	for range pick(rng, 8, 8, 6, 3, rng.IntN(10)) {
		groups = append(groups, pick(rng, strconv.FormatInt(rng.Int64N(1<<16), 16), strconv.FormatInt(rng.Int64N(1<<16), 16), "0", "0", "", "0", "12345", "1.2.3.4"))
	}
	return orNull(rng, strings.Join(groups, ":"))
}

// drawRegex returns regular expressions. What is repeated is never empty. notEmpty says that nothing empty matches.
func drawRegex(rng *rand.Rand, notEmpty bool) string {
	var alternative, sequence func(depth int, notEmpty bool) string
	atom := func(depth int) string {
		if depth > 0 && rng.IntN(4) == 0 {
			return pick(rng, "(", "(?:") + alternative(depth-1, true) + ")"
		}
		return pick(rng, "a", "a", "b", "A", "é", "😀", "1", " ", "/", ".", "[ab]", "[^a]", "[a-z0-9]", "[^ -~]", `\.`, `\?`, `\|`, `\\`, "-", "%", "_", "'", `\x41`, `\n`, `[\]\-a]`, "[]a]", "ß", "ı", "}", "aba", "[é-ÿ]")
	}
	sequence = func(depth int, notEmpty bool) string {
		var b strings.Builder
		if rng.IntN(8) == 0 {
			b.WriteString(pick(rng, "^", `\A`))
		}
		n := 1 + rng.IntN(3)
		for i := range n {
			b.WriteString(atom(depth))
			least := pick(rng, "", "", "", "+", "{1,2}", "{2}", "+?", "{1,}")
			if i > 0 || !notEmpty {
				least = pick(rng, least, least, "*", "?", "*?", "??", "{0,2}")
			}
			b.WriteString(least)
		}
		if rng.IntN(8) == 0 {
			b.WriteString(pick(rng, "$", `\z`))
		}
		return b.String()
	}
	alternative = func(depth int, notEmpty bool) string {
		text := sequence(depth, notEmpty)
		for rng.IntN(4) == 0 {
			text += "|" + sequence(depth, notEmpty)
		}
		return text
	}
	return pick(rng, "", "", "", "(?i)", "(?s)") + alternative(1, notEmpty)
}

// drawDateFormat returns a literal with some of the specifiers. A node's form doubles percent signs if the node has
// arguments; a leaf has none.
func drawDateFormat(rng *rand.Rand, specifiers string) string {
	var b strings.Builder
	for range rng.IntN(6) {
		b.WriteString(pick(rng, "", "", "-", " ", ":", "é", "Y", "%%", "%-", "😀", "''"))
		b.WriteString("%" + string(specifiers[rng.IntN(len(specifiers))]))
	}
	return "'" + b.String() + pick(rng, "-", "%", ".") + "'"
}

// drawCompound returns a literal of an interval of up to n numbers, the last of which may be a fraction.
func drawCompound(rng *rand.Rand, n int, fraction bool) string {
	var b strings.Builder
	b.WriteString(pick(rng, "", "", "-", " "))
	for i := range 1 + rng.IntN(n) {
		if i > 0 {
			b.WriteString(pick(rng, " ", ":", "-", ".", " : "))
		}
		most := pick(rng, 3, 60, 100000)
		if fraction {
			most = pick(rng, 3, 60, 1000000)
		}
		b.WriteString(strconv.Itoa(rng.IntN(most)))
	}
	return pick(rng, "'"+b.String()+"'", "'"+b.String()+"'", strconv.Itoa(rng.IntN(1000)-500))
}

// sqlQuote quotes a text such that both sides read it.
func sqlQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\x00", `\0`, "\x1a", `\Z`, "\n", `\n`, "\r", `\r`).Replace(s) + "'"
}

// diffRow is a row's values, one for each of diffColumns.
type diffRow []*string

func drawRow(rng *rand.Rand) diffRow {
	r := make(diffRow, len(diffColumns))
	for i := range r {
		r[i] = diffColumns[i].draw(rng)
	}
	return r
}

// literal returns a column's value as the server reads it.
func (r diffRow) literal(i int) string {
	switch c := &diffColumns[i]; {
	case r[i] == nil:
		return "NULL"
	case c.typ.Kind == value.KindText || c.typ.Kind == value.KindTime:
		return sqlQuote(*r[i])
	}
	return *r[i]
}

// value returns a column's value as ours reads it.
func (r diffRow) value(i int) value.Value {
	if r[i] == nil {
		return value.Null
	}
	b := []byte(*r[i])
	switch diffColumns[i].typ.Kind {
	case value.KindText:
		return value.Text(b)
	case value.KindDouble:
		f, err := strconv.ParseFloat(*r[i], 64)
		if err != nil {
			panic(err)
		}
		return value.Double(f)
	case value.KindTime:
		micros, ok := value.ParseTime(b, time.UTC)
		if !ok {
			panic(fmt.Sprintf("%q is no time", b))
		}
		return value.Time(micros)
	}
	n, scale, ok := value.ParseDecimal(b)
	if ok {
		n, ok = n.Rescale(scale, diffColumns[i].typ.Scale)
	}
	if !ok {
		panic(fmt.Sprintf("%q is not a number of the column", b))
	}
	return value.Value{Number: n, Scale: uint8(diffColumns[i].typ.Scale), Set: true}
}
