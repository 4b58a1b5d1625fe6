package query

import (
	"slices"
	"strings"
)

// extremes returns GREATEST and LEAST. wrapped keeps MariaDB from comparing the arguments as what the context requires:
// CAST(LEAST(2.5, 3) AS SIGNED) compares 3 and 3 there.
func extremes(wrapped string, args ...place) (ps []production) {
	for _, name := range []string{"GREATEST", "LEAST"} {
		form := name + "(" + strings.Repeat("%s, ", len(args)-1) + "%s)"
		ps = append(ps, translated(form, strings.Replace(wrapped, "X", form, 1), args...))
	}
	return ps
}

// functionProductions are the functions that belong to no operator, by the kind of their result. In MariaDB, ROUND of an
// integer is sometimes a DECIMAL, and CEIL of a DOUBLE has a number of digits that it shows.
var functionProductions = map[place][]production{
	anInt: {
		made("ABS(%s)", anInt), made("SIGN(%s)", anyAtAll), made("CEIL(%s)", aNumber), made("CEILING(%s)", aNumber), made("FLOOR(%s)", aNumber),
		made("ROUND(%s)", anInt), translated("ROUND(%s, %s)", "(ROUND(%s, %s) DIV 1)", anInt, digits), translated("TRUNCATE(%s, %s)", "(TRUNCATE(%s, %s) DIV 1)", anInt, digits),
	},
	aDecimal: {
		made("ABS(%s)", aDecimal), made("ROUND(%s)", aDecimal), made("ROUND(%s, %s)", aDecimal, digits), made("TRUNCATE(%s, %s)", aDecimal, digits),
	},
	aDouble: {
		made("ABS(%s)", aDouble), translated("CEIL(%s)", "(CEIL(%s) + 0e0)", aDouble), translated("FLOOR(%s)", "(FLOOR(%s) + 0e0)", aDouble),
	},
}

func init() {
	functionProductions[anInt] = append(functionProductions[anInt], append(extremes("(X + 0)", anInt, anInt), extremes("(X + 0)", anInt, anInt, anInt)...)...)
	functionProductions[aDecimal] = append(functionProductions[aDecimal], append(extremes("(X + 0)", aDecimal, aNumber), extremes("(X + 0)", anInt, aDecimal, aDecimal)...)...)
	functionProductions[aDouble] = append(functionProductions[aDouble], append(extremes("(X + 0e0)", aDouble, anyAtAll), extremes("(X + 0e0)", anInt, aDouble, aDouble)...)...)
	functionProductions[aText] = append(functionProductions[aText], append(extremes("CONCAT(X)", aText, aText), extremes("CONCAT(X)", aText, aText, aText)...)...)
	functionProductions[aTime] = append(functionProductions[aTime], extremes("X", aTime, aTime)...)
	for is, ps := range functionProductions {
		productions[is] = slices.Concat(productions[is], ps)
	}
}
