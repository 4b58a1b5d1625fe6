package query

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// The answers of MariaDB, which are those of MySQL unless a comment says otherwise. NULL is "NULL".
var expressions = []struct{ expr, want string }{
	// NULL and truth
	{"NULL = NULL", "NULL"}, {"NULL <=> NULL", "1"}, {"1 <=> NULL", "0"}, {"1 <=> 1", "1"}, {"NULL AND 0", "0"}, {"NULL AND 1", "NULL"},
	{"NULL OR 1", "1"}, {"NULL OR 0", "NULL"}, {"NOT NULL", "NULL"}, {"1 XOR NULL", "NULL"}, {"1 XOR 0", "1"}, {"1 XOR 1", "0"},
	{"NULL IS NULL", "1"}, {"1 IS NOT NULL", "1"}, {"NULL IS TRUE", "0"}, {"NULL IS NOT TRUE", "1"}, {"0 IS FALSE", "1"}, {"NULL IS FALSE", "0"},
	{"1 IN (2, NULL)", "NULL"}, {"1 IN (1, NULL)", "1"}, {"1 NOT IN (2, NULL)", "NULL"}, {"1 NOT IN (1, NULL)", "0"}, {"NULL IN (1)", "NULL"},
	{"'a' IN ('b', 'a')", "1"}, {"'a' IN ('A')", "0"}, {"5 BETWEEN 1 AND 5", "1"}, {"5 NOT BETWEEN 1 AND 4", "1"}, {"5 BETWEEN 6 AND NULL", "0"},
	{"5 BETWEEN 1 AND NULL", "NULL"}, {"TRUE", "1"}, {"NOT 5", "0"}, {"!0", "1"}, {"2 = TRUE", "0"},
	// integers
	{"7 / 2", "3.5000"}, {"7 DIV 2", "3"}, {"-7 DIV 2", "-3"}, {"7 % 3", "1"}, {"-7 % 3", "-1"}, {"7 % -3", "1"}, {"MOD(7, 4)", "3"},
	{"1 / 0", "NULL"}, {"1 DIV 0", "NULL"}, {"1 % 0", "NULL"}, {"2 / 3", "0.6667"}, {"2 / 3 * 3", "2.0000"}, {"-2 / 3", "-0.6667"},
	{"9223372036854775806 + 1", "9223372036854775807"}, {"-(5)", "-5"}, {"1 + NULL", "NULL"},
	// decimals
	{"1.10 + 2.205", "3.305"}, {"1.5 * 1.5", "2.25"}, {"1.10 - 1.1", "0.00"}, {"10.50 / 3", "3.500000"}, {"1.25 / 0.5", "2.500000"}, {"7.5 DIV 2", "3"}, {"-7.5 % 2", "-1.5"},
	{"5.55 % 1.1", "0.05"}, {"0.1 + 0.2 = 0.3", "1"}, {"12345678901234567890.5 * 2", "24691357802469135781.0"}, {"1.00 = 1", "1"}, {".5 + 0", "0.5"}, {"1/3/3", "0.11111111"},
	{"18446744073709551615 + 0.0", "18446744073709551615.0"},
	// doubles
	{"1e0 + 1", "2"}, {"1e0 / 4", "0.25"}, {"5.5e0 % 2", "1.5"}, {"1e0 / 0", "NULL"}, {"0.1e0 + 0.2e0 = 0.3e0", "0"}, {"1 = 1e0", "1"},
	// text: bytes
	{"'a' = 'A'", "0"}, {"'a' = 'a '", "0"}, {"'a' < 'b'", "1"}, {"'Z' < 'a'", "1"}, {"'é' > 'z'", "1"}, {"'' = ''", "1"}, {"'a' <> 'b'", "1"},
	{"LEFT('héllo', 2)", "hé"}, {"LEFT('abc', 0)", ""}, {"LEFT('abc', -1)", ""}, {"LEFT('abc', 10)", "abc"}, {"LEFT(404, 1)", "4"}, {"LEFT(NULL, 1)", "NULL"},
	{"LENGTH('é')", "2"}, {"CHAR_LENGTH('é')", "1"}, {"CONCAT('a', 1, 2.50)", "a12.50"}, {"CONCAT('a', NULL)", "NULL"}, {"CONCAT(LEFT('ab', 1), LEFT('cd', 1))", "ac"},
	{"CONCAT(1, CONCAT(2, 3), 4)", "1234"},
	{"SUBSTRING_INDEX('/a?b?c', '?', 1)", "/a"}, {"SUBSTRING_INDEX('/a?b?c', '?', 2)", "/a?b"}, {"SUBSTRING_INDEX('/a?b?c', '?', -1)", "c"}, {"SUBSTRING_INDEX('/a', '?', 1)", "/a"},
	{"SUBSTRING_INDEX('/a?b?c', '?', -2)", "b?c"}, {"SUBSTRING_INDEX('a', 'a', 0)", ""}, {"SUBSTRING_INDEX('a.b', '.', 5)", "a.b"},
	// LIKE
	{"'abc' LIKE 'a%'", "1"}, {"'abc' LIKE '%c'", "1"}, {"'abc' LIKE '%b%'", "1"}, {"'abc' LIKE 'a_c'", "1"}, {"'abc' LIKE 'A%'", "0"}, {"'abc' LIKE 'abc'", "1"}, {"'abc' LIKE ''", "0"},
	{"'' LIKE '%'", "1"}, {"'' LIKE '_'", "0"}, {"'é' LIKE '_'", "1"}, {"'é' LIKE '__'", "0"}, {"'a%b' LIKE 'a\\%b'", "1"}, {"'axb' LIKE 'a\\%b'", "0"}, {"'a_b' LIKE 'a|_b' ESCAPE '|'", "1"},
	{"'axb' LIKE 'a|_b' ESCAPE '|'", "0"}, {"'abcbc' LIKE '%bc'", "1"}, {"'abcbcd' LIKE '%bc'", "0"}, {"'aXbXc' LIKE 'a%b%c'", "1"}, {"'mississippi' LIKE '%iss%ip%'", "1"},
	{"'mississippi' LIKE '%ss_ss%'", "1"}, {"'mississippi' LIKE '%ss__ss%'", "0"}, {"'mississippi' LIKE '%ss%ss%'", "1"}, {"'abc' NOT LIKE 'a%'", "0"}, {"NULL LIKE 'a'", "NULL"}, {"404 LIKE '4%'", "1"}, {"'a' LIKE 'a%%'", "1"}, {"'ab' LIKE '%%b'", "1"},
	{"'%' LIKE '|%' ESCAPE '|'", "1"}, {"'a\\\\b' LIKE 'a\\\\\\\\b'", "1"},
	// conditions
	{"IF(1, 'a', 'b')", "a"}, {"IF(NULL, 'a', 'b')", "b"}, {"IF(1, 1, 1.50)", "1.00"}, {"COALESCE(NULL, NULL, 3)", "3"}, {"COALESCE(NULL, NULL)", "NULL"}, {"IFNULL(NULL, 'x')", "x"}, {"NULLIF(1, 1)", "NULL"},
	{"NULLIF(1, 2)", "1"}, {"NULLIF('a', 'b')", "a"}, {"CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"}, {"CASE 3 WHEN 1 THEN 'a' END", "NULL"}, {"CASE WHEN NULL THEN 1 WHEN 0 THEN 2 ELSE 3 END", "3"},
	{"CASE NULL WHEN NULL THEN 1 ELSE 2 END", "2"}, {"COALESCE(1, 2.5)", "1.0"},
	// casts
	{"CAST('12' AS SIGNED)", "12"}, {"CAST(' -12 ' AS SIGNED)", "-12"}, {"CAST(12.5 AS SIGNED)", "13"}, {"CAST(-12.5 AS SIGNED)", "-13"}, {"CAST(12.4 AS SIGNED)", "12"}, {"CAST(2.5e0 AS SIGNED)", "2"}, {"CAST(3.5e0 AS SIGNED)", "4"},
	{"CAST('18446744073709551615' AS UNSIGNED)", "18446744073709551615"}, {"CAST('1.255' AS DECIMAL(10,2))", "1.26"}, {"CAST('-1.255' AS DECIMAL(10,2))", "-1.26"}, {"CAST(1.245 AS DECIMAL(10,2))", "1.25"},
	{"CAST('1e3' AS DECIMAL(10,0))", "1000"}, {"CAST(7 AS DECIMAL(5,2))", "7.00"}, {"CAST(1/3 AS DECIMAL(20,10))", "0.3333333330"}, {"CAST(5 AS CHAR)", "5"}, {"CAST(5.50 AS CHAR)", "5.50"}, {"CAST(2/3 AS CHAR)", "0.6667"}, {"CAST('abc' AS CHAR(2))", "ab"},
	{"CAST('1.5' AS DOUBLE)", "1.5"}, {"CAST('2015-05-17 10:05:03' AS DATETIME)", "2015-05-17 10:05:03"}, {"CAST('2015-05-17' AS DATETIME)", "2015-05-17 00:00:00"},
	{"CAST('2015-05-17T10:05:03.250' AS DATETIME(3))", "2015-05-17 10:05:03.250"}, {"CAST('2015-05-17 10:05:03' AS DATETIME) < '2015-05-18'", "1"}, {"FROM_UNIXTIME(1431857103)", "2015-05-17 10:05:03"},
	{"CAST(CAST('2015-05-17 10:05:03' AS DATETIME) AS CHAR)", "2015-05-17 10:05:03"}, {"CAST(9e0 AS DECIMAL(10,2))", "9.00"}, {"CAST(NULL AS SIGNED)", "NULL"}, {"CAST(0.5 AS SIGNED)", "1"}, {"CAST(-0.5 AS SIGNED)", "-1"},
	// two hyphens that white space does not follow are not a comment
	{"1--1", "2"}, {"1---1", "0"}, {"1-- -1\n+4", "5"}, {"'a--b'", "a--b"}, {"CONCAT('--', 5--5)", "--10"}, {"1/*--1*/--1", "2"}, {"1 --\x01 no\n+1", "2"},
	// delimiters that overlap are found from the left, for negative numbers too
	{"SUBSTRING_INDEX('aaa', 'aa', -1)", "a"}, {"SUBSTRING_INDEX('aaa', 'aa', 1)", ""}, {"SUBSTRING_INDEX('aaa', 'aa', -2)", "aaa"}, {"SUBSTRING_INDEX('aaaaa', 'aa', -2)", "aaa"},
	{"SUBSTRING_INDEX('ababa', 'aba', -1)", "ba"}, {"SUBSTRING_INDEX('xababax', 'aba', 2)", "xababax"}, {"SUBSTRING_INDEX('a', '', 1)", ""}, {"SUBSTRING_INDEX('', 'a', -1)", ""},
	{"SUBSTRING_INDEX('a--b--c', '--', -2)", "b--c"}, {"SUBSTRING_INDEX('éaé', 'é', -1)", ""},
	// DOUBLEs
	{"CAST(67106846074035034e0 AS SIGNED)", "67106846074035032"}, {"CAST(-67106846074035034e0 AS SIGNED)", "-67106846074035032"}, {"CAST(9007199254740993e0 AS SIGNED)", "9007199254740992"},
	{"CAST(9223372036854774784e0 AS SIGNED)", "9223372036854774784"}, {"CAST(18446744073709549568e0 AS UNSIGNED)", "18446744073709549568"}, {"CAST(1e-35 AS SIGNED)", "0"}, {"CAST(-0.5e0 AS SIGNED)", "0"},
	{"1e-35 > 0", "1"}, {"1e-35 * 1e35 = 1", "1"}, {"1e-300 * 1e300 = 1", "1"}, {"5e-324 > 0", "1"}, {"123456789012345678901234567890123456789012345e0 > 1e44", "1"}, {"1e308 > 1", "1"},
	{"CAST('1e-35' AS DOUBLE) = 1e-35", "1"}, {"CAST(' 1.5 ' AS DOUBLE)", "1.5"}, {"CAST('.5' AS DOUBLE)", "0.5"}, {"CAST('5.' AS DOUBLE)", "5"}, {"CAST('+5e+2' AS DOUBLE)", "500"}, {"CAST('0e500' AS DECIMAL(5,0))", "0"},
	{"CAST(1e-300 AS DECIMAL(20,3))", "0.000"}, {"CAST(-5e-324 AS DECIMAL(38,10))", "0.0000000000"}, {"CAST('1e-999' AS DECIMAL(10,2))", "0.00"}, {"CAST(4.9e-31 AS DECIMAL(30,30))", "0.000000000000000000000000000000"},
	// operands that have more than 38 digits at one scale
	{"12345678901 DIV CAST(0.3 AS DECIMAL(30,30))", "41152263003"}, {"-12345678901 DIV CAST(0.3 AS DECIMAL(30,30))", "-41152263003"},
	{"12345678901 % CAST(0.7 AS DECIMAL(30,30))", "0.200000000000000000000000000000"}, {"-12345678901 % CAST(0.7 AS DECIMAL(30,30))", "-0.200000000000000000000000000000"},
	{"12345678901234567890 % -CAST(0.7 AS DECIMAL(30,30))", "0.300000000000000000000000000000"},
	// decimals whose scales lie far apart
	{"-99999999999999999999999999999999999999 < -0.0000000001", "1"}, {"-0.0000000001 > -99999999999999999999999999999999999999", "1"}, {"99999999999999999999999999999999999999 > 0.0000000001", "1"},
	{"0.0000000001 < 99999999999999999999999999999999999999", "1"}, {"-99999999999999999999999999999999999999 < 0.0000000001", "1"}, {"-0.0000000001 = -99999999999999999999999999999999999999", "0"},
	// fractions of times
	{"CAST(CAST('1969-12-31 23:59:59.75' AS DATETIME(6)) AS DATETIME)", "1969-12-31 23:59:59"}, {"CAST(CAST('1000-01-01 00:00:00.999999' AS DATETIME(6)) AS DATETIME(1))", "1000-01-01 00:00:00.9"},
	{"CAST(CAST('2015-05-17 10:05:03.25' AS DATETIME(3)) AS CHAR)", "2015-05-17 10:05:03.250"}, {"CAST(CAST('2015-05-17 10:05:03' AS DATETIME(3)) AS CHAR)", "2015-05-17 10:05:03.000"},
	{"CAST(CAST('2015-05-17 10:05:03.25' AS DATETIME) AS CHAR)", "2015-05-17 10:05:03"}, {"CAST(CAST('2015-05-17 10:05:03.25' AS DATETIME(6)) AS CHAR)", "2015-05-17 10:05:03.250000"},
	{"CAST(CAST(CAST('2015-05-17 10:05:03.257' AS DATETIME(3)) AS DATETIME(1)) AS CHAR)", "2015-05-17 10:05:03.2"}, {"CAST(FROM_UNIXTIME(1431857103.5) AS CHAR)", "2015-05-17 10:05:03.5"},
	{"COALESCE(CAST(NULL AS DATETIME(3)), CAST('2015-05-17' AS DATETIME))", "2015-05-17 00:00:00.000"}, {"CAST(FROM_UNIXTIME(1431857103.123456789) AS CHAR)", "2015-05-17 10:05:03.123456"}, {"CAST(FROM_UNIXTIME(1431857103) AS CHAR)", "2015-05-17 10:05:03"},
}

// Expressions for which MySQL's answers differ from MariaDB's. MySQL shows fewer digits of the first value. MySQL 9
// rounds each quotient to four digits more than the dividend has, while MySQL 8 keeps more of them within an
// expression.
var (
	mysql8Answers = map[string]string{"IF(1, 1, 1.50)": "1"}
	mysql9Answers = map[string]string{
		"IF(1, 1, 1.50)": "1", "2 / 3 * 3": "2.0001", "1/3/3": "0.11110000", "CAST(1/3 AS DECIMAL(20,10))": "0.3333000000",
	}
)

// evaluate runs one expression over one empty record.
func evaluate(t testing.TB, format, expr, body string) (string, string) {
	t.Helper()
	p := plan(t, format, "INSERT INTO t SELECT "+expr+" AS x FROM events")
	f := p.NewFold()
	var tally batch.Tally
	f.Add(checkpoint.Partition{Topic: "t"}, []batch.Record{{Value: []byte(body)}}, &tally)
	if len(tally.Dead) > 0 {
		return "", tally.Dead[0].Reason
	}
	rows := f.Take().Tables[0]
	line := rowText(rows, 0)
	return line[len(line)-1], ""
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range expressions {
		got, fault := evaluate(t, "raw", c.expr, "body")
		if got != c.want || fault != "" {
			t.Errorf("%s = %q %s, expected %q", c.expr, got, fault, c.want)
		}
	}
}

// The expected values above are those of a real server.
func TestExpressions_matchTheServer(t *testing.T) {
	t.Parallel()
	s := mariadbtest.Start(t)
	db, err := sql.Open("mysql", s.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	collation, differs := "utf8mb4_0900_bin", mysql9Answers
	switch {
	case strings.Contains(version, "MariaDB"):
		collation, differs = "utf8mb4_nopad_bin", nil
	case strings.HasPrefix(version, "5."):
		t.Skip("NOT RUN: MySQL 5.7 has no collation that compares text by its bytes without padding")
	case strings.HasPrefix(version, "8."):
		differs = mysql8Answers
	}
	for _, set := range []string{"SET NAMES utf8mb4 COLLATE " + collation, "SET time_zone = '+00:00'", "SET sql_mode = 'STRICT_ALL_TABLES'"} {
		if _, err := conn.ExecContext(ctx, set); err != nil {
			t.Fatalf("%s: %v", set, err)
		}
	}
	for _, c := range expressions {
		var got sql.NullString
		if err := conn.QueryRowContext(ctx, "SELECT "+c.expr).Scan(&got); err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if !got.Valid {
			got.String = "NULL"
		}
		if want, is := differs[c.expr]; is {
			c.want = want
		}
		if got.String != c.want {
			t.Errorf("%s: %s = %q, but the table above has %q", version, c.expr, got.String, c.want)
		}
	}
}
