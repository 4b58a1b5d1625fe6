package query

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/query/funcs"
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

// decoded returns an expression that converts the bytes that a function returns on the server to text.
func decoded(form string) string {
	return "(CONVERT(" + form + " USING utf8mb4) COLLATE utf8mb4_nopad_bin)"
}

// provenElsewhere holds the functions that the differential test leaves out because no server has them or because they take
// JSON, and the test that compares each with another implementation.
var provenElsewhere = map[string]string{
	"url_scheme": "TestURL_asNetURL", "url_host": "TestURL_asNetURL", "url_port": "TestURL_asNetURL", "url_path": "TestURL_asNetURL", "url_query": "TestURL_asNetURL", "url_fragment": "TestURL_asNetURL",
	"url_parameter": "TestURL_asNetURL", "url_decode": "TestURL_asNetURL",
	"json_extract": "TestDifferential_jsonText", "json_value": "TestDifferential_jsonText", "json_unquote": "TestDifferential_jsonText", "json_valid": "TestDifferential_jsonText",
	"json_type": "TestDifferential_jsonText", "json_length": "TestDifferential_jsonText", "json_contains": "TestDifferential_jsonText",
}

// Every function that the differential test leaves out has another test.
func TestDifferential_provenElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range provenElsewhere {
		if funcs.Library().Find(name) == nil {
			t.Errorf("%s is not a function: remove it", name)
		}
		found := false
		for _, file := range []string{"funcs/url_test.go", "differential_jsontext_test.go"} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "func "+test+"(")
		}
		if !found {
			t.Errorf("%s: there is no test %s", name, test)
		}
	}
}

// anonymous returns the first bytes of an address, v4 or v6 of them, with zero bytes behind.
func anonymous(v4, v6 string) string {
	cut := func(n, size string) string {
		return "CONCAT(LEFT(INET6_ATON(%[1]s), " + n + "), REPEAT(UNHEX('00'), " + size + " - (" + n + ")))"
	}
	return "CASE LENGTH(INET6_ATON(%[1]s)) WHEN 4 THEN " + cut(v4, "4") + " WHEN 16 THEN IF(IS_IPV4_MAPPED(INET6_ATON(%[1]s)), " + cut("12 + "+v4, "16") + ", " + cut(v6, "16") + ") END"
}

// functionProductions are the functions that belong to no operator, by the kind of their result. In MariaDB, ROUND of an
// integer is sometimes a DECIMAL, and CEIL of a DOUBLE has a number of digits that it shows.
var functionProductions = map[place][]production{
	anInt: {
		translated("CONVERT(%s, SIGNED)", "CAST(%s AS signed)", intColumn), translated("CONVERT(%s, UNSIGNED INTEGER)", "CAST(%s AS unsigned)", aCondition),
		made("LOCATE(%s, %s)", delimiter, textual), made("LOCATE(%s, %s)", textual, aText), made("LOCATE(%s, %s, %s)", delimiter, textual, anInt), made("INSTR(%s, %s)", textual, delimiter), made("INSTR(%s, %s)", aText, textual),
		made("FIND_IN_SET(%s, %s)", delimiter, aText), made("FIND_IN_SET(%s, REPLACE(%s, 'a', ','))", aText, aText), made("FIND_IN_SET(LEFT(%s, 1), REPLACE(%s, 'a', ','))", aText, aText),
		made("FIELD(%s, %s, %s)", aText, aText, aText), translated("FIELD(%s, %s, %s)", "FIELD(%s + 0.0, %s, %s)", anInt, anInt, anInt), made("FIELD(%s, %s)", aDecimal, aNumber),
		made("INTERVAL(%s, -3, 0, 0, 1.5, 10, 9223372036854775807)", aNumber), made("INTERVAL(%s, 2)", anInt), made("interval (%s, 0.001, 1)", aDecimal),
		made("YEAR(%s)", aTime), made("QUARTER(%s)", aTime), made("MONTH(%s)", aTime), made("DAY(%s)", aTime), made("DAYOFMONTH(%s)", aTime), made("DAYOFYEAR(%s)", aTime), made("DAYOFWEEK(%s)", aTime), made("WEEKDAY(%s)", aTime),
		made("HOUR(%s)", aTime), made("MINUTE(%s)", aTime), made("SECOND(%s)", aTime), made("MICROSECOND(%s)", aTime), made("YEAR(%s)", timeConst), translated("MICROSECOND(%s)", "MICROSECOND(TIMESTAMP(%s))", timeConst),
		made("INET_ATON(%s)", address), made("INET_ATON(%s)", aText), made("IS_IPV4(%s)", address), made("IS_IPV4(%s)", aText), made("IS_IPV6(%s)", address), made("IS_IPV6(%s)", aText), made("INET_ATON(INET_NTOA(%s))", intColumn),
		made("IS_IPV4_COMPAT(INET6_ATON(%s))", address), made("IS_IPV4_MAPPED(INET6_ATON(%s))", address), made("IS_IPV4_MAPPED(UNHEX(%s))", aText), made("LENGTH(INET6_ATON(%s))", aText),
		translated("IP_IN(%s, '10.0.0.0/8', '192.168.7.9', 'fe80::/10')", "IF(LENGTH(INET6_ATON(%[1]s)) IN (4, 16), HEX(INET6_ATON(%[1]s)) RLIKE '^(00000000000000000000FFFF)?(0A......|C0A80709)$|^FE[89AB].{29}$', NULL)", address),
		translated("IP_IN(%s, '::/0')", "(LENGTH(INET6_ATON(%s)) = 16)", address), translated("IP_IN(%s, '0.0.0.0/1', '::ffff:128.0.0.0/97')", "IF(INET6_ATON(%[1]s) IS NULL, NULL, HEX(INET6_ATON(%[1]s)) RLIKE '^[0-7].{7}$|^0{20}F{4}.{8}$')", address),
		translated("REGEXP_LIKE(%s, %s)", "(%s REGEXP %s)", textual, regex), made("REGEXP_INSTR(%s, %s)", textual, regex), made("REGEXP_INSTR(%s, %s)", aText, regex),
		made("WEEK(%s)", aTime), made("WEEK(%s, %s)", aTime, weekModeOf), made("YEARWEEK(%s)", aTime), made("YEARWEEK(%s, %s)", aTime, weekModeOf), made("WEEKOFYEAR(%s)", aTime), made("WEEK(%s, 3)", timeConst),
		made("TO_DAYS(%s)", aTime), made("TO_SECONDS(%s)", aTime),
		made("DATEDIFF(%s, %s)", aTime, aTime), translated("TIME_TO_SEC(%s)", "FLOOR(TIME_TO_SEC(%s))", aTime),
		made("EXTRACT(YEAR FROM %s)", aTime), made("EXTRACT(MICROSECOND FROM %s)", aTime), made("EXTRACT(QUARTER FROM %s)", aTime),
		made("(%s & %s)", intColumn, intColumn), made("(%s | %s)", intColumn, intColumn), made("(%s ^ %s)", intColumn, intColumn), made("(%s << %s)", intColumn, intColumn), made("(%s >> %s)", intColumn, intColumn), made("(%s >> 3 & 255)", intColumn), made("(~%s)", intColumn),
		made("(%s << 2 + 1 | 1 ^ 3)", intColumn), made("(%s & 0x0F)", intColumn), made("(0xABC ^ %s)", intColumn), made("BIT_COUNT(%s)", intColumn), made("BIT_COUNT(~%s)", intColumn), made("(0x41 + %s)", anInt), made("(b'1000001' + 0)"), made("CAST(0x41 AS UNSIGNED)"), made("LENGTH(0x4142)"), translated("(x'ff' + 1)", "(0xff + 1)"),
		made("CRC32(%s)", textual), made("ABS(%s)", anInt), made("SIGN(%s)", anyAtAll), made("CEIL(%s)", aNumber), made("CEILING(%s)", aNumber), made("FLOOR(%s)", aNumber),
		made("ROUND(%s)", anInt), translated("ROUND(%s, %s)", "(ROUND(%s, %s) DIV 1)", anInt, digits), translated("TRUNCATE(%s, %s)", "(TRUNCATE(%s, %s) DIV 1)", anInt, digits),
	},
	aDecimal: {
		made("CONVERT(%s, DECIMAL(38,10))", intColumn),
		made("ABS(%s)", aDecimal), made("ROUND(%s)", aDecimal), made("ROUND(%s, %s)", aDecimal, digits), made("TRUNCATE(%s, %s)", aDecimal, digits),
	},
	aText: {
		made("CONVERT(%s, CHAR(3))", textual), made("CONVERT(%s, CHAR)", aText),
		made("RIGHT(%s, %s)", textual, count), made("RIGHT(%s, %s)", textual, anInt), made("LEFT(%s, %s)", textual, anInt),
		made("SUBSTRING(%s, %s)", textual, count), made("SUBSTRING(%s, %s, %s)", textual, anInt, count), made("SUBSTR(%s, %s, %s)", textual, count, anInt), made("MID(%s, %s, %s)", textual, count, count),
		made("SUBSTRING('aébc' FROM %s FOR %s)", anInt, anInt), made("SUBSTR(%s, %s)", aText, anInt),
		made("TRIM(%s)", textual), made("TRIM(LEADING %s FROM %s)", delimiter, aText), made("TRIM(TRAILING %s FROM %s)", delimiter, textual), made("TRIM(BOTH %s FROM %s)", delimiter, aText), made("TRIM(%s FROM %s)", delimiter, aText),
		made("LTRIM(%s)", textual), made("RTRIM(%s)", textual),
		made("CONCAT_WS(%s, %s, %s)", delimiter, textual, textual), made("CONCAT_WS(%s, %s, %s, %s)", aText, aText, textual, aText),
		made("REPEAT(%s, %s)", textual, count), translated("LPAD(%s, %s, %s)", "LPAD(CONCAT('', %s), %s, %s)", textual, width, fill), translated("RPAD(%s, %s, %s)", "RPAD(CONCAT('', %s), %s, %s)", textual, width, fill), made("REVERSE(%s)", textual),
		made("DATE_FORMAT(%s, %s)", aTime, dateFormat), made("DATE_FORMAT(%s, %s)", aTime, dateFormat), made("DATE_FORMAT(%s, '%%Y-%%m-%%d %%H:00:00')", aTime), made("TIME_FORMAT(%s, %s)", aTime, timeFormat),
		made("DAYNAME(%s)", aTime), made("MONTHNAME(%s)", aTime), made("INET_NTOA(%s)", intColumn), made("INET_NTOA(INET_ATON(%s))", address),
		made("HEX(INET6_ATON(%s))", address), made("HEX(INET6_ATON(%s))", aText), made("INET6_NTOA(INET6_ATON(%s))", address), made("INET6_NTOA(UNHEX(LPAD(RIGHT(MD5(%s), %s), 32, '0')))", aText, width), made("INET6_NTOA(UNHEX(RPAD(LEFT(MD5(%s), %s), 32, '0')))", aText, width),
		made("INET6_NTOA(UNHEX(CONCAT(LEFT(MD5(%s), 4), RPAD(LPAD(RIGHT(MD5(%s), %s), 16, '0'), 28, '0'))))", aText, aText, width), made("INET6_NTOA(UNHEX(LEFT(MD5(%s), %s)))", aText, width), made("INET6_NTOA(COALESCE(INET6_ATON(%s), INET6_ATON(%s)))", address, address),
		translated("ANONYMIZE_IP(%s)", "INET6_NTOA("+anonymous("3", "6")+")", address), translated("ANONYMIZE_IP(%s, 16, 0)", "INET6_NTOA("+anonymous("2", "0")+")", address), translated("ANONYMIZE_IP(%s, 32, 128)", "INET6_NTOA(INET6_ATON(%s))", address),
		made("LOWER(%s)", textual), made("LCASE(%s)", aText), made("UPPER(%s)", textual), made("UCASE(%s)", aText),
		made("BIN(%s)", intColumn), made("OCT(%s)", intColumn), made("CONV(%s, 10, %s)", intColumn, base), made("CONV(HEX(%s), 16, %s)", intColumn, base), made("CONV(%s, %s, %s)", aNumberText, base, base), made("CONV(%s, 10, 16)", aNumberText),
		made("CONCAT(%s, x'4D', 0x4e, b'01001111')", textual), made("HEX(0x00FF)"), made("HEX(%s)", aText), made("HEX(%s)", intColumn), translated("UNHEX(HEX(%s))", decoded("UNHEX(HEX(%s))"), aText), made("HEX(UNHEX(%s))", textual), made("HEX(UNHEX(HEX(%s)))", intColumn),
		made("TO_BASE64(%s)", textual), translated("FROM_BASE64(TO_BASE64(%s))", decoded("FROM_BASE64(TO_BASE64(%s))"), textual), made("HEX(FROM_BASE64(%s))", textual), made("HEX(FROM_BASE64(REPEAT(%s, %s)))", base64Text, count),
		translated("REGEXP_SUBSTR(%s, %s)", "IF(%[1]s REGEXP %[2]s, REGEXP_SUBSTR(%[1]s, %[2]s), NULL)", textual, regex), made("COALESCE(REGEXP_SUBSTR(%s, %s), '')", textual, regex),
		made("REGEXP_REPLACE(%s, %s, '-')", textual, regexNotEmpty), made("REGEXP_REPLACE(%s, %s, '')", aText, regexNotEmpty), translated("REGEXP_REPLACE(%s, %s, '<$0>')", `REGEXP_REPLACE(%s, %s, '<\\0>')`, aText, regexNotEmpty),
		translated("REGEXP_REPLACE(%s, '(a+)(.)?', '$2.$1')", `REGEXP_REPLACE(%s, '(a+)(.)?', '\\2.\\1')`, aText),
		made("MD5(%s)", textual), made("SHA1(%s)", textual), made("SHA(%s)", aText), made("SHA2(%s, 0)", aText), made("SHA2(%s, 224)", textual), made("SHA2(%s, 256)", aText), made("SHA2(%s, 384)", aText), made("SHA2(%s, 512)", aText),
		made("REPLACE(%s, %s, %s)", textual, delimiter, delimiter), made("REPLACE(%s, %s, %s)", aText, textual, textual),
	},
	aCondition: {made("(%s = 0x3)", anInt), made("(0x61 = %s)", aText), made("(%s < x'62')", aText), made("(%s REGEXP %s)", textual, regex), made("(%s NOT REGEXP %s)", aText, regex), made("(%s RLIKE %s)", aText, regex)},
	aTime: {
		translated("FROM_DAYS(%s)", "TIMESTAMP(FROM_DAYS(%s))", dayNumber), translated("FROM_DAYS(TO_DAYS(%s))", "TIMESTAMP(FROM_DAYS(TO_DAYS(%s)))", aTime), translated("MAKEDATE(%s, %s)", "TIMESTAMP(MAKEDATE(%s, %s))", anInt, anInt),
		translated("MAKEDATE(YEAR(%s), DAYOFYEAR(%s))", "TIMESTAMP(MAKEDATE(YEAR(%s), DAYOFYEAR(%s)))", aTime, aTime),
		translated("CAST(%s AS DATE)", "TIMESTAMP(CAST(%s AS DATE))", aTime), translated("CONVERT(CAST(%s AS DATETIME(6)), DATE)", "TIMESTAMP(CAST(CAST(%s AS DATETIME(6)) AS DATE))", aTime), made("CONVERT(%s, DATETIME(3))", aTime),
		translated("DATE(%s)", "TIMESTAMP(DATE(%s))", aTime), translated("LAST_DAY(%s)", "TIMESTAMP(LAST_DAY(%s))", aTime),
		made("ADDDATE(%s, %s)", aTime, count), made("SUBDATE(%s, %s)", aTime, count), made("SUBDATE(%s, INTERVAL %s WEEK)", aTime, count), made("TIMESTAMPADD(MONTH, %s, %s)", count, aTime),
	},
	anApproximation: {
		made("LN(%s)", anyAtAll), made("LOG(%s)", anyAtAll), made("LOG(%s, %s)", anyAtAll, anyAtAll), made("LOG(2, %s)", anInt), made("LOG2(%s)", anyAtAll), made("LOG10(%s)", anyAtAll), made("LOG10(%s)", anInt), made("EXP(%s)", anyAtAll), made("EXP(%s / 1e3)", anyAtAll),
		made("POW(%s, %s)", anyAtAll, anyAtAll), made("POW(%s, 0.5)", anyAtAll), made("POWER(%s, %s)", aDecimal, intColumn), made("POW(2, %s)", intColumn), made("POW(%s, 2)", anInt),
	},
	aDouble: {
		made("SQRT(%s)", anyAtAll), made("SQRT(%s)", anInt), translated("FLOOR(LOG2(%s))", "(FLOOR(LOG2(%s)) + 0e0)", powerOfTwo), translated("FLOOR(LOG10(%s))", "(FLOOR(LOG10(%s)) + 0e0)", powerOfTen), made("POW(2, LENGTH(%s))", aText),
		made("ABS(%s)", aDouble), translated("CEIL(%s)", "(CEIL(%s) + 0e0)", aDouble), translated("FLOOR(%s)", "(FLOOR(%s) + 0e0)", aDouble),
	},
}

// readFormats are formats of STR_TO_DATE.
var readFormats = []string{
	"%Y-%m-%d", "%Y-%m-%d %H:%i:%s", "%Y-%m-%dT%T.%f", "%d/%b/%Y:%H:%i:%S", "%Y%m%d%H%i%s", "%M %D, %Y %r", "%a %b %e %k:%i:%s %Y", "%Y %j", "%y%m%d", "%c/%e/%Y %l:%i %p", "%W, %d %M %Y %h.%i.%s %p", "%d.%m.%Y", "%w %Y-%m-%d %I %p%f",
}

// readAs returns a production of STR_TO_DATE of a text in a format. The result has the digits of a column.
func readAs(format, text string, args ...place) production {
	form := "STR_TO_DATE(" + text + ", " + format + ")"
	return translated(form, "TIMESTAMP("+form+")", args...)
}

func init() {
	functionProductions[aDecimal] = append(functionProductions[aDecimal],
		translated("CAST(UNIX_TIMESTAMP(%s) AS DECIMAL(18,6))", "CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', %s) / 1000000 AS decimal(18,6))", aTime),
		made("IF(%[1]s BETWEEN '1971-01-01' AND '2037-01-01', CAST(UNIX_TIMESTAMP(%[1]s) AS DECIMAL(18,6)), 0.0)", aTime))
	for _, unit := range []string{"MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"} {
		functionProductions[anInt] = append(functionProductions[anInt], made("TIMESTAMPDIFF("+unit+", %s, %s)", aTime, aTime))
		functionProductions[aTime] = append(functionProductions[aTime], made("DATE_ADD(%s, INTERVAL %s "+unit+")", aTime, count), made("DATE_SUB(%s, INTERVAL %s "+unit+")", aTime, count), made("(%s - INTERVAL %s "+unit+")", aTime, intColumn))
	}
	for _, unit := range funcs.CompoundUnits() {
		functionProductions[aTime] = append(functionProductions[aTime], made("(%s + INTERVAL %s "+strings.ToUpper(unit)+")", aTime, compoundOf[unit]), made("DATE_SUB(%s, INTERVAL %s "+strings.ToUpper(unit)+")", aTime, compoundOf[unit]))
	}
	for _, format := range readFormats {
		format = sqlQuote(strings.ReplaceAll(format, "%", "%%"))
		functionProductions[aTime] = append(functionProductions[aTime], readAs(format, "DATE_FORMAT(%s, "+format+")", aTime), readAs(format, "LEFT(DATE_FORMAT(%s, "+format+"), %s)", aTime, count),
			readAs(format, "REPLACE(LOWER(DATE_FORMAT(%s, "+format+")), %s, %s)", aTime, delimiter, delimiter), readAs(format, "%s", aTimeText))
	}
	for _, name := range diffZones {
		// The server converts nothing beyond these years.
		functionProductions[aTime] = append(functionProductions[aTime], made("IF(%[1]s BETWEEN '1970-01-03' AND '2037-12-01', CONVERT_TZ(%[1]s, 'UTC', '"+name+"'), NULL)", aTime), made("IF(%[1]s BETWEEN '1970-01-03' AND '2037-12-01', CONVERT_TZ(%[1]s, '"+name+"', '+05:30'), NULL)", aTime))
	}
	functionProductions[aTime] = append(functionProductions[aTime], made("(%s + INTERVAL %s DAY)", aTime, intColumn), made("(INTERVAL %s MONTH + %s)", count, aTime), made("(%s + INTERVAL '-3' DAY)", aTime))
	functionProductions[anInt] = append(functionProductions[anInt], append(extremes("(X + 0)", anInt, anInt), extremes("(X + 0)", anInt, anInt, anInt)...)...)
	functionProductions[aDecimal] = append(functionProductions[aDecimal], append(extremes("(X + 0)", aDecimal, aNumber), extremes("(X + 0)", anInt, aDecimal, aDecimal)...)...)
	functionProductions[aDouble] = append(functionProductions[aDouble], append(extremes("(X + 0e0)", aDouble, anyAtAll), extremes("(X + 0e0)", anInt, aDouble, aDouble)...)...)
	functionProductions[aText] = append(functionProductions[aText], append(extremes("CONCAT(X)", aText, aText), extremes("CONCAT(X)", aText, aText, aText)...)...)
	functionProductions[aTime] = append(functionProductions[aTime], extremes("X", aTime, aTime)...)
	for is, ps := range functionProductions {
		productions[is] = slices.Concat(productions[is], ps)
	}
}

// Each letter has the same other case as on the server, or makes a dead letter.
func TestDifferential_case(t *testing.T) {
	t.Parallel()
	server, f := startDiffServer(t), &diffFormat{}
	const each = 4096
	compared, dead := 0, 0
	for _, name := range []string{"LOWER", "UPPER"} {
		p, err := f.compile("INSERT INTO t SELECT " + name + "(s1) AS x FROM events")
		if err != nil {
			t.Fatal(err)
		}
		for first := rune(0); first <= unicode.MaxRune; first += each {
			f.rows = nil
			for c := first; c < first+each; c++ {
				if utf8.ValidRune(c) {
					r, text := make(diffRow, len(diffColumns)), string(c)
					r[slices.IndexFunc(diffColumns, func(d diffColumn) bool { return d.name == "s1" })] = &text
					f.rows = append(f.rows, r)
				}
			}
			rows := make([]int, len(f.rows))
			for i := range rows {
				rows[i] = i
			}
			var given, ours strings.Builder
			for i, a := range f.evaluate(p, rows) {
				if a.rejected != "" {
					dead++
					continue
				}
				compared++
				given.WriteString(*f.rows[i][slices.IndexFunc(diffColumns, func(d diffColumn) bool { return d.name == "s1" })])
				ours.WriteString(a.text)
			}
			lines, _, rejected, err := server.query(t.Context(), "SELECT "+name+"("+sqlQuote(given.String())+")")
			if err != nil || rejected != nil {
				t.Fatalf("%s of the characters from %U: got %v and %v, expected no error", name, first, err, rejected)
			}
			if theirs := lines[0][0].String; theirs != ours.String() {
				got, want := []rune(ours.String()), []rune(theirs)
				for i, c := range []rune(given.String()) {
					if got[i] != want[i] {
						t.Errorf("%s of %U: got %U, expected %U as on the server: add it to the tables of query/funcs/case_table.go", name, c, got[i], want[i])
					}
				}
			}
		}
	}
	t.Logf("DIFFERENTIAL: %d letters have the same other case as in MariaDB, %d make dead letters", compared, dead)
	if dead > 2000 || compared < 2_000_000 {
		t.Errorf("got %d letters that are compared and %d that make dead letters, expected nearly all to be compared", compared, dead)
	}
}
