package query

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/query/expr"
)

// place is the kind of expression that a place in another expression requires.
type place uint8

const (
	anInt place = iota
	aDecimal
	aDouble
	aNumber  // integer or decimal
	anyAtAll // integer, decimal or DOUBLE
	aText
	textual // text, integer or decimal
	aTime
	aCondition
	anApproximation // a DOUBLE of which servers have another last digit
	// Leaves.
	aNumberText // a text that may be a number
	aTimeText   // a text that may be a time
	timeConst   // a literal beside a time
	delimiter
	pattern
	count  // of characters or delimiters
	digits // after the point
	width  // of LPAD and RPAD
	fill   // of LPAD and RPAD
	base64Text
	address
	regex
	regexNotEmpty // matches no empty text
	intColumn     // not an expression of BIGINT and BIGINT UNSIGNED, which MariaDB computes as a DECIMAL
	factor        // of an interval
	weekModeOf
	dateFormat
	base
	powerOfTwo // a column or a literal whose logarithm servers compute without an error
	powerOfTen
	timeFormat // of DATE_FORMAT, without the date
	dayNumber  // of FROM_DAYS
	oneNumber  // of an interval
	twoNumbers
	threeNumbers
	fourNumbers
	secondFraction // these have microseconds as the last number
	minuteFraction
	hourFraction
	dayFraction
)

// node is a generated expression. Its form has a %s for each of args; theirs is the form for the server if it differs.
type node struct {
	is           place
	form, theirs string
	args         []*node
	column       int // index into diffColumns, -1 if the node is not a column
}

func (n *node) ours() string { return n.write(func(n *node) string { return n.form }) }

func (n *node) theirText() string {
	return n.write(func(n *node) string {
		if n.theirs != "" {
			return n.theirs
		}
		return n.form
	})
}

func (n *node) write(form func(*node) string) string {
	if len(n.args) == 0 {
		return form(n)
	}
	args := make([]any, len(n.args))
	for i, a := range n.args {
		args[i] = a.write(form)
	}
	return fmt.Sprintf(form(n), args...)
}

// columns adds the columns that an expression reads to seen.
func (n *node) columns(seen map[int]bool) {
	if n.column >= 0 {
		seen[n.column] = true
	}
	for _, a := range n.args {
		a.columns(seen)
	}
}

// compoundOf holds the kind of the numbers of an interval, by its unit.
var compoundOf = map[string]place{
	"year_month": twoNumbers, "day_hour": twoNumbers, "day_minute": threeNumbers, "day_second": fourNumbers, "hour_minute": twoNumbers, "hour_second": threeNumbers, "minute_second": twoNumbers,
	"second_microsecond": secondFraction, "minute_microsecond": minuteFraction, "hour_microsecond": hourFraction, "day_microsecond": dayFraction,
}

// production is a way to build an expression from others.
type production struct {
	form, theirs string
	args         []place
	rootOnly     bool // see the rule "quotients"
}

func made(form string, args ...place) production { return production{form: form, args: args} }

func translated(form, theirs string, args ...place) production {
	return production{form: form, theirs: theirs, args: args}
}

// alternatives returns the functions that choose between values of one kind.
func alternatives(k place) []production {
	return []production{
		made("IF(%s, %s, %s)", aCondition, k, k), made("IFNULL(%s, %s)", k, k), made("COALESCE(%s, %s, %s)", k, k, k), made("COALESCE(%s)", k), made("NULLIF(%s, %s)", k, k),
		made("CASE WHEN %s THEN %s ELSE %s END", aCondition, k, k), made("CASE WHEN %s THEN %s WHEN %s THEN %s END", aCondition, k, aCondition, k),
		made("CASE %s WHEN %s THEN %s WHEN %s THEN %s ELSE %s END", anInt, anInt, k, anInt, k, k), made("CASE %s WHEN %s THEN %s END", aText, aText, k),
	}
}

// compared returns the productions of conditions that compare values of one kind.
func compared(k place) (ps []production) {
	_, comparisons, _ := expr.Operators()
	for _, op := range comparisons {
		ps = append(ps, made("(%s "+op+" %s)", k, k))
	}
	return append(ps, made("(%s IN (%s, %s, %s))", k, k, k, k), made("(%s NOT IN (%s, %s))", k, k, k), made("(%s BETWEEN %s AND %s)", k, k, k), made("(%s NOT BETWEEN %s AND %s)", k, k, k),
		made("(%s IS NULL)", k), made("(%s IS NOT NULL)", k))
}

var productions = map[place][]production{
	anInt: append(alternatives(anInt),
		made("(%s + %s)", anInt, anInt), made("(%s - %s)", anInt, anInt), made("(%s * %s)", anInt, anInt), made("(%s DIV %s)", aNumber, aNumber), made("(%s %% %s)", anInt, anInt), made("MOD(%s, %s)", anInt, anInt), made("(-%s)", anInt),
		made("(%s--%s)", anInt, anInt), made("(%s MOD %s)", anInt, anInt),
		made("LENGTH(%s)", textual), made("CHAR_LENGTH(%s)", textual), made("CHARACTER_LENGTH(%s)", textual), made("%s", aCondition),
	),
	aDecimal: append(alternatives(aDecimal),
		made("(%s + %s)", aDecimal, aNumber), made("(%s - %s)", aNumber, aDecimal), made("(%s * %s)", aDecimal, aNumber), made("(%s %% %s)", aDecimal, aNumber), made("MOD(%s, %s)", aNumber, aDecimal), made("(-%s)", aDecimal),
		made("COALESCE(%s, %s)", anInt, aDecimal), made("IF(%s, %s, %s)", aCondition, aDecimal, anInt), production{form: "(%s / %s)", args: []place{aNumber, aNumber}, rootOnly: true},
	),
	aDouble: append(alternatives(aDouble),
		made("(%s + %s)", aDouble, anyAtAll), made("(%s - %s)", anyAtAll, aDouble), made("(%s * %s)", aDouble, anyAtAll), made("(%s / %s)", aDouble, anyAtAll), made("(%s / %s)", anyAtAll, aDouble), made("(%s %% %s)", aDouble, anyAtAll),
		made("(-%s)", aDouble), made("COALESCE(%s, %s)", aNumber, aDouble),
	),
	aText: append(alternatives(aText),
		made("LEFT(%s, %s)", textual, count), made("SUBSTRING_INDEX(%s, %s, %s)", textual, delimiter, count), made("CONCAT(%s, %s)", textual, textual), made("CONCAT(%s, %s, %s)", textual, textual, textual), made("CONCAT(%s)", textual),
	),
	aTime: append(alternatives(aTime), made("FROM_UNIXTIME(%s)", aNumber)),
	aCondition: append(append(append(compared(anyAtAll), compared(aText)...), compared(aTime)...),
		made("(%s = %s)", aTime, timeConst), made("(%s < %s)", aTime, timeConst), made("(%s >= %s)", timeConst, aTime), made("(%s BETWEEN %s AND %s)", aTime, timeConst, timeConst), made("(%s <=> %s)", aTime, timeConst),
		made("(%s LIKE %s)", textual, pattern), made("(%s NOT LIKE %s)", aText, pattern), made("(%s LIKE %s)", aText, aText), made("(%s LIKE %s ESCAPE '|')", aText, pattern), made("(%s LIKE %s ESCAPE 'é')", aText, pattern), made("(LOWER(%s) LIKE LOWER(%s))", aText, pattern),
		translated("(%s ILIKE %s)", "(LOWER(%s) LIKE LOWER(%s))", textual, pattern), translated("(%s NOT ILIKE %s ESCAPE '|')", "(LOWER(%s) NOT LIKE LOWER(%s) ESCAPE '|')", aText, pattern),
		made("(%s LIKE %s ESCAPE '')", aText, pattern),
		made("(%s AND %s)", aCondition, aCondition), made("(%s OR %s)", aCondition, aCondition), made("(%s XOR %s)", aCondition, aCondition), made("(NOT %s)", aCondition), made("(!%s)", aCondition), made("(%s AND %s)", anyAtAll, aCondition), made("(%s OR %s)", aCondition, anyAtAll),
		made("(%s IS TRUE)", aCondition), made("(%s IS NOT TRUE)", anyAtAll), made("(%s IS FALSE)", aCondition), made("(%s IS NOT FALSE)", anyAtAll), made("TRUE"), made("FALSE"), made("(%s AND %s AND %s)", aCondition, aCondition, aCondition),
	),
}

// castAs holds, for each type of a cast, the kind of its result, the server's name of the type, and the kinds of its
// operand. The test fails for a type that is missing here.
var castAs = map[string]struct {
	is     place
	theirs string
	args   []place
}{
	"signed": {anInt, "signed", []place{anInt, aNumber, aDouble, aNumberText, aText}}, "signed integer": {anInt, "signed", []place{aNumber, aNumberText}},
	"unsigned": {anInt, "unsigned", []place{anInt, aNumber, aDouble, aNumberText}}, "unsigned integer": {anInt, "unsigned", []place{aNumber, aNumberText}},
	"decimal": {aDecimal, "decimal", []place{anInt, aDecimal, aDouble, aNumberText, aText}},
	"char":    {aText, "char", []place{aText, anInt, aDecimal, aTime}}, "nchar": {aText, "char", []place{aText}},
	"datetime": {aTime, "datetime", []place{aTimeText, aTimeText, aTime, aText}},
	"double":   {aDouble, "double", []place{anInt, aDecimal, aDouble, aNumberText, aText}}, "double precision": {aDouble, "double", []place{aNumberText}}, "float": {aDouble, "double", []place{aNumberText}}, "real": {aDouble, "double", []place{aNumberText}},
}

// windowUnits holds the units of TUMBLE with their expression on the server, of a time %[1]s and a factor %[2]s.
var windowUnits = func() map[string]string {
	const seconds = "(TO_SECONDS(%[1]s) - 62167219200 - %[4]s)"
	const months = "((YEAR(%[1]s) - 1) * 12 + MONTH(%[1]s) - 1)"
	floor := func(n, unit string) string {
		return "(" + n + " - MOD(MOD(" + n + ", %[2]s * " + unit + ") + %[2]s * " + unit + ", %[2]s * " + unit + "))"
	}
	units := map[string]string{}
	for unit, length := range map[string]string{"second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800"} {
		origin := "0"
		if unit == "week" {
			origin = "345600"
		}
		units[unit] = "DATE_ADD(TIMESTAMP('1970-01-01'), INTERVAL " + strings.ReplaceAll(floor(seconds, length), "%[4]s", origin) + " + " + origin + " SECOND)"
	}
	for unit, length := range map[string]string{"month": "1", "quarter": "3", "year": "12"} {
		units[unit] = "DATE_ADD(TIMESTAMP('0001-01-01'), INTERVAL " + floor(months, length) + " MONTH)"
	}
	return units
}()

func init() {
	for _, name := range slices.Sorted(maps.Keys(castAs)) { // so that a seed gives the same expressions in every process
		c := castAs[name]
		for _, arg := range c.args {
			form := func(behind string) production {
				return production{form: "CAST(%s AS " + strings.ToUpper(name) + behind + ")", theirs: "CAST(%s AS " + c.theirs + behind + ")", args: []place{arg}}
			}
			behind := []string{""}
			switch c.theirs {
			case "decimal":
				behind = []string{"", "(5)", "(20,3)", "(38,10)", "(38,0)", "(30,30)", "(4,2)"}
			case "char":
				behind = []string{"", "(1)", "(3)", "(0)", "(20)"}
			case "datetime":
				behind = []string{"", "(0)", "(1)", "(3)", "(6)"}
			}
			for _, b := range behind {
				productions[c.is] = append(productions[c.is], form(b))
			}
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(windowUnits)) {
		productions[aTime] = append(productions[aTime], translated("TUMBLE(%s, INTERVAL %s "+strings.ToUpper(unit)+")", windowUnits[unit], aTime, factor))
	}
}

// generate builds an expression with at most this number of levels.
func generate(rng *rand.Rand, is place, depth int, root bool) *node {
	switch is {
	case aNumber:
		is = pick(rng, anInt, aDecimal)
	case anyAtAll:
		is = pick(rng, anInt, aDecimal, aDouble)
	case textual:
		is = pick(rng, aText, aText, aText, anInt, aDecimal)
	}
	all := productions[is]
	if depth == 0 && is == aCondition {
		is, all = anInt, nil
	}
	if depth == 0 || len(all) == 0 || !root && rng.IntN(4) == 0 && is != aCondition {
		return leaf(rng, is)
	}
	p := pick(rng, all...)
	if p.rootOnly && !root {
		return generate(rng, is, depth, root)
	}
	return produce(rng, is, p, depth)
}

// produce builds an expression by one production.
func produce(rng *rand.Rand, is place, p production, depth int) *node {
	n := &node{is: is, form: p.form, theirs: p.theirs, column: -1}
	for _, a := range p.args {
		n.args = append(n.args, generate(rng, a, depth-1, false))
	}
	return n
}

// leaf builds a column or a literal.
func leaf(rng *rand.Rand, is place) *node {
	lit := func(s string) *node { return &node{is: is, form: s, column: -1} }
	column := func(names ...string) *node {
		name := pick(rng, names...)
		for i := range diffColumns {
			if c := &diffColumns[i]; c.name == name {
				n := &node{is: is, form: name, column: i}
				if c.header {
					n.form, n.theirs = "header('"+name+"')", name
				}
				return n
			}
		}
		panic(name)
	}
	literal := rng.IntN(4) == 0
	if literal && rng.IntN(12) == 0 && is < aNumberText {
		return lit("NULL")
	}
	quoted := func(s *string) *node {
		if s == nil {
			return lit("NULL")
		}
		return lit(sqlQuote(*s))
	}
	switch is {
	case anInt:
		if literal {
			return lit(pick(rng, "0", "1", "2", "-1", "3", "10", "-7", "100", "9223372036854775807", "18446744073709551615", "-9223372036854775808"))
		}
		return column("i1", "i2", "n1", "n1", "u1")
	case aDecimal:
		if literal {
			return lit(pick(rng, "0.0", "1.0", "-0.5", "2.5", ".5", "0.05", "-1.005", "99999999999999999999.9", "0.000000001", "3.14159265358979"))
		}
		return column("d1", "d2", "d3", "d3", "d4", "d5")
	case aDouble:
		if literal {
			return lit(pick(rng, "0e0", "1e0", "-2.5e0", "1e-35", "1e300", "5e-1", "0.1e0", "9007199254740993e0", "1E5", "5e-324"))
		}
		return column("f1", "f2")
	case aText:
		if literal {
			return quoted(drawText(rng))
		}
		return column("s1", "s2", "s1", "s2", "h1", "x1", "y1")
	case aTime:
		return column("t1", "t2")
	case aNumberText:
		if literal {
			return quoted(drawNumberText(rng))
		}
		return column("x1")
	case aTimeText:
		if literal {
			return quoted(drawTimeText(rng))
		}
		return column("y1")
	case timeConst:
		return lit("'" + diffTime(rng).Format(pick(rng, "2006-01-02", "2006-01-02 15:04:05", "2006-01-02 15:04:05.000000", "2006-01-02T15:04:05")) + "'")
	case address:
		if literal {
			return quoted(drawAddress(rng))
		}
		return column("a1")
	case intColumn:
		return column("i1", "i2", "n1", "u1")
	case regex:
		return lit(sqlQuote(drawRegex(rng, false)))
	case regexNotEmpty:
		return lit(sqlQuote(drawRegex(rng, true)))
	case base64Text:
		return lit(sqlQuote(pick(rng, "YQ==", "YWI=", "YWJj", "YWJ", "YQ", "Y", " Y Q==\n", "YQ= =", "YR==", "=", "====", "YQ==YQ==", "YQ==x", "YW-_", "YQ==\x00", "\tYWJj\v", "YWJj\u00a0")))
	case width:
		return lit(pick(rng, "0", "1", "2", "3", "5", "8", "100"))
	case fill:
		return lit(sqlQuote(pick(rng, "a", "xy", "é", "😀", " ", "0", "e\u0301b")))
	case twoNumbers, threeNumbers, fourNumbers:
		return lit(drawCompound(rng, int(is-oneNumber)+1, false))
	case secondFraction, minuteFraction, hourFraction, dayFraction:
		return lit(drawCompound(rng, int(is-secondFraction)+2, true))
	case powerOfTwo:
		return lit(strconv.FormatUint(1<<rng.IntN(64), 10))
	case powerOfTen:
		return lit("1" + strings.Repeat("0", rng.IntN(19)))
	case base:
		return lit(strconv.Itoa(2 + rng.IntN(35)))
	case weekModeOf:
		return lit(strconv.Itoa(rng.IntN(8)))
	case dateFormat:
		return lit(drawDateFormat(rng, "aabbcDdeffHhIijklMmprSsTUuVvWwXxYy"))
	case timeFormat:
		return lit(drawDateFormat(rng, "fHhIiklprSsT"))
	case dayNumber:
		return lit(pick(rng, "736100", "365243", "365242", "3652424", "3652425", strconv.Itoa(rng.IntN(4e6)), strconv.Itoa(600000+rng.IntN(200000))))
	case delimiter:
		return lit(sqlQuote(pick(rng, "a", "aa", "aba", "/", "?", " ", "--", "é", "😀", "%", "", "\u0301", "ab", "0", "\x00", ".", "5")))
	case pattern:
		var b strings.Builder
		for range rng.IntN(6) {
			b.WriteString(pick(rng, "%", "%", "_", "a", "b", "aa", `\\`, `\%`, `\_`, "|", "|%", "|_", "||", "é", "😀", " ", "A", "1", "."))
		}
		return lit("'" + b.String() + "'")
	case count:
		return lit(pick(rng, "0", "1", "2", "3", "-1", "-2", "5", "100", "-100"))
	case digits:
		return lit(pick(rng, "0", "1", "2", "-1", "-2", "5", "9", "-3", "30", "-20"))
	case factor:
		return lit(pick(rng, "1", "1", "2", "5", "7", "15", strconv.Itoa(1+rng.IntN(1000))))
	}
	panic("no leaf")
}
