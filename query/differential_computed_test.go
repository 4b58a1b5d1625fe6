package query

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/row"
)

// aggregated are the leaves of random expressions of aggregates, over columns whose sums are not dead letters.
var aggregated = []string{
	"COUNT(*)", "COUNT(n1)", "COUNT(IF(n1 > 2, 1, NULL))", "SUM(n1)", "SUM(n1 * n1)", "MIN(n1)", "MAX(n1)", "AVG(n1)",
	"SUM(d3)", "MIN(d3)", "AVG(d3)", "SUM(d5)", "MAX(d5)", "AVG(d5)", "SUM(d1)", "VARIANCE(n1)", "VAR_SAMP(d3)", "STDDEV(n1)", "STDDEV_SAMP(d5)", "BIT_OR(n1)", "BIT_AND(n1)", "ANY_VALUE(n1)", "MIN(i1)", "MAX(u1)",
	"k", "0", "1", "-2", "7", "100", "2.5", "-0.75", "0.00001", "TRUE", "NULL",
}

var (
	ofNumbers = []string{
		"(N + N)", "(N - N)", "(N * N)", "(N % N)", "(N DIV N)", "(-N)", "ROUND(N)", "ROUND(N, 2)", "ROUND(N, -1)", "TRUNCATE(N, 1)", "FLOOR(N)", "CEIL(N)", "CEILING(N)",
		"ABS(N)", "SIGN(N)", "COALESCE(N, N, N)", "IFNULL(N, N)", "NULLIF(N, N)", "IF(C, N, N)", "CASE WHEN C THEN N WHEN C THEN N ELSE N END", "CASE WHEN C THEN N END",
		"CASE N WHEN N THEN N WHEN N THEN N ELSE N END", "CAST(N AS SIGNED)", "CAST(N AS DECIMAL(30,3))", "GREATEST(N, N)", "LEAST(N, N, N)", "C",
	}
	ofConditions = []string{
		"(N = N)", "(N <> N)", "(N < N)", "(N <= N)", "(N > N)", "(N >= N)", "(N <=> N)", "(N IN (N, N))", "(N NOT IN (N))", "(N BETWEEN N AND N)", "(N NOT BETWEEN N AND N)",
		"(N IS NULL)", "(N IS NOT NULL)", "(C IS TRUE)", "(N IS NOT TRUE)", "(N IS FALSE)", "(C IS NOT FALSE)", "(C AND C)", "(C OR C)", "(C AND (C AND N))", "(C OR (N OR C))", "(C XOR N)", "(NOT C)", "(NOT N)",
	}
)

// aggregates generates an expression of aggregates. divided says that it may have quotients anywhere.
func aggregates(rng *rand.Rand, depth int, condition, divided bool) string {
	forms := ofNumbers
	switch {
	case condition:
		forms = ofConditions
	case depth <= 0 || rng.IntN(5) == 0:
		return pick(rng, aggregated...)
	}
	form := pick(rng, forms...)
	if divided && !condition && rng.IntN(4) == 0 {
		form = "(N / N)"
	}
	var b strings.Builder
	for i := range len(form) {
		operand := (i == 0 || !isLetter(form[i-1])) && (i+1 == len(form) || !isLetter(form[i+1]))
		switch c := form[i]; {
		case operand && c == 'N':
			b.WriteString(aggregates(rng, depth-1, false, divided))
		case operand && c == 'C' && depth > 0:
			b.WriteString(aggregates(rng, depth-1, true, divided))
		case operand && c == 'C':
			b.WriteString(aggregates(rng, 0, false, divided))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// plainOperand is an operand of a quotient that MariaDB computes as we do. Its values have the digits of its type,
// unlike those of COALESCE(1, 2.5), and it has no AVG, which MariaDB rounds to the digits of a temporary table.
func plainOperand(rng *rand.Rand) string {
	plain := slices.DeleteFunc(slices.Clone(aggregated), func(s string) bool { return strings.HasPrefix(s, "VAR") || strings.HasPrefix(s, "STD") }) // DOUBLEs there
	leaf := func() string { return strings.ReplaceAll(pick(rng, plain...), "AVG(", "SUM(") }
	return fmt.Sprintf(pick(rng, "%[1]s", "(%[1]s + %[2]s)", "(%[1]s - %[2]s)", "(%[1]s * %[2]s)"), leaf(), leaf())
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' }

// The server computes each column as we do and, where its own rules are ours, as it computes the same expression over
// the records, whatever the reading session has set. The text that it shows for a generated column is recognized.
func TestDifferential_computed(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(differentialSeed(t), 7))
	server := startDiffServer(t)
	same, direct, failures := 0, 0, 0
	fail := func(format string, args ...any) {
		if failures++; failures <= 10 {
			t.Errorf(format, args...)
		}
	}
	for round := range 25 {
		f := &diffFormat{}
		for range diffRows {
			f.rows = append(f.rows, drawRow(rng))
		}
		server.load(t, f.rows)
		statement := func(items []string) string {
			text := "INSERT INTO t SELECT COALESCE(n1 % 3, 0) AS k"
			for i, item := range items {
				text += fmt.Sprintf(", %s AS x%d", strings.ReplaceAll(item, "k", "COALESCE(n1 % 3, 0)"), i)
			}
			return text + " FROM events WHERE d1 IS NOT NULL GROUP BY k"
		}
		var items []string
		for len(items) < 20 {
			// A quotient that is not the whole expression is one that MariaDB rounds in some places.
			item := aggregates(rng, 1+rng.IntN(3), false, len(items)%2 == 0)
			if len(items)%4 == 1 {
				item = pick(rng, "AVG(n1)", "AVG(d3)", "AVG(d5)", "%[1]s / %[2]s", "ROUND(%[1]s / %[2]s, 3)", "100 * %[1]s / %[2]s", "ROUND(%[1]s / %[2]s)")
				if !strings.HasPrefix(item, "AVG") {
					item = fmt.Sprintf(item, plainOperand(rng), plainOperand(rng))
				}
			}
			switch _, err := f.compile(statement([]string{item})); {
			case err == nil && (!slices.Contains(aggregated, item) || strings.HasPrefix(item, "AVG")):
				items = append(items, item)
			case err != nil && !strings.Contains(err.Error(), "always NULL") && !strings.Contains(err.Error(), "GROUP BY without an aggregate") && !constantFault(err):
				fail("%s is rejected at start: %v", item, err)
				return
			}
		}
		p, err := f.compile(statement(items))
		if err != nil {
			t.Fatal(err)
		}
		all := make([]int, len(f.rows))
		for i := range all {
			all[i] = i
		}
		rows, dead := f.fold(p, all)
		if len(dead) > 0 {
			t.Fatalf("%s: got dead letters %v, expected none", items, dead)
		}
		table := createComputed(t, server, rows, round)
		for i, c := range table.Computed {
			stored, _, _, err := server.query(t.Context(), fmt.Sprintf("SELECT generation_expression FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'c%d' AND column_name = '%s'", round, c.Name))
			if err != nil {
				t.Fatal(err)
			}
			if !c.IsSame(stored[0][0].String) {
				fail("%s\nis written as %s\nbut not recognized in %s", items[indexOf(c.Name)], c.SQL, stored[0][0].String)
			}
			column, eval := p.programs[0].computed[i].evaluator(table)
			text := fmt.Sprintf("SELECT k, %s FROM c%d", c.Name, round)
			theirs, warnings, rejected, err := server.query(t.Context(), text)
			large := false // more than 38 digits
			for r := range rows.Len() {
				_, ok := eval(rowValues(rows, r))
				large = large || !ok
			}
			if err != nil || rejected != nil || len(warnings) > 0 && !large {
				fail("%s\n%s: got %v %v %v, expected values", items[indexOf(c.Name)], c.SQL, err, rejected, warnings)
				continue
			}
			text = fmt.Sprintf("SELECT COALESCE(n1 %% 3, 0) AS k, CAST(%s AS DECIMAL(65,%d)) FROM v WHERE d1 IS NOT NULL GROUP BY k", strings.ReplaceAll(items[indexOf(c.Name)], "k", "COALESCE(n1 % 3, 0)"), c.Scale)
			own, warnings, rejected, err := server.query(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			comparable := rejected == nil && len(warnings) == 0 && indexOf(c.Name)%4 == 1
			for r := range rows.Len() {
				values := rowValues(rows, r)
				v, ok := eval(values)
				if !ok {
					continue
				}
				key, ours := cellText(values[0], &table.Columns[0]), withoutSign(cellText(v, &column))
				if got := ofGroup(theirs, key); got != ours {
					fail("%s\n%s\ngroup %s, values %v\nours:   %s\ntheirs: %s", items[indexOf(c.Name)], c.SQL, key, rowText(rows, r), ours, got)
				}
				same++
				if comparable {
					if got := ofGroup(own, key); got != ours {
						fail("%s\ngroup %s\nours:          %s\nof its records: %s\nby %s", items[indexOf(c.Name)], key, ours, got, text)
					}
					direct++
				}
			}
		}
	}
	t.Logf("DIFFERENTIAL: %d values of computed columns agree with MariaDB's, and %d with those that it computes from the records", same, direct)
	if failures == 0 && (same < 1000 || direct < 100) {
		t.Errorf("compared %d and %d values, expected more", same, direct)
	}
}

// indexOf returns the number in the name of a column, such as x7.
func indexOf(name string) (n int) {
	_, _ = fmt.Sscanf(name, "x%d", &n)
	return n
}

// withoutSign removes the sign of a zero, which MariaDB keeps in some results.
func withoutSign(s string) string {
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

// createComputed creates a table with the computed columns and writes the rows to it, in a session with settings that
// must not matter. It returns the table.
func createComputed(t *testing.T, server *diffServer, rows *row.Rows, n int) *row.Table {
	t.Helper()
	table := rows.Table
	var columns, names, lines []string
	for _, c := range table.Columns {
		typ := "BIGINT"
		if c.Kind == row.Decimal {
			typ = fmt.Sprintf("DECIMAL(%d,%d)", c.Precision, c.Scale)
		}
		if strings.HasPrefix(c.Name, "u") || c.Merge == row.Max && c.Kind == row.Int || c.Traits().Bits {
			typ = "DECIMAL(20,0)" // of BIGINT UNSIGNED
		}
		columns, names = append(columns, c.Name+" "+typ), append(names, c.Name)
	}
	for _, c := range table.Computed {
		columns = append(columns, fmt.Sprintf("%s DECIMAL(65,%d) GENERATED ALWAYS AS (%s) VIRTUAL", c.Name, c.Scale, c.SQL))
	}
	for i := range rows.Len() {
		lines = append(lines, "("+strings.Join(rowText(rows, i), ", ")+")")
	}
	server.exec(t, fmt.Sprintf("CREATE TABLE c%d (%s, PRIMARY KEY (k))", n, strings.Join(columns, ", ")))
	server.exec(t, fmt.Sprintf("SET div_precision_increment = %d, sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO'", n%3*7))
	server.exec(t, fmt.Sprintf("INSERT INTO c%d (%s) VALUES %s", n, strings.Join(names, ", "), strings.Join(lines, ", ")))
	server.exec(t, "FLUSH TABLES")
	first, _, _, err := server.query(t.Context(), fmt.Sprintf("SELECT * FROM c%d", n)) // the session that opens the table
	if err != nil || len(first) != rows.Len() {
		t.Fatalf("got %d rows and %v, expected %d", len(first), err, rows.Len())
	}
	server.exec(t, "SET div_precision_increment = 4, sql_mode = 'STRICT_ALL_TABLES'")
	return table
}

// ofGroup returns the value of a group in the rows of a query: its key and the value.
func ofGroup(lines [][]sql.NullString, key string) string {
	for _, line := range lines {
		if line[0].String == key && line[1].Valid {
			return withoutSign(line[1].String)
		}
	}
	return "NULL"
}
