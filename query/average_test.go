package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A variance is computed from exact totals, which it shares with other items where they are the same.
func TestVariance_hiddenColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{
			"SELECT host, COUNT(bytes) AS n, SUM(bytes) AS bytes, VARIANCE(bytes) AS v FROM events GROUP BY host",
			[]string{
				"host key", "n total", "bytes total", "[v__1 total]",
				"v(4) = ROUND((CAST(((CAST(`n` AS DECIMAL(65,0)) * CAST(`v__1` AS DECIMAL(65,0))) - (CAST(`bytes` AS DECIMAL(65,0)) * CAST(`bytes` AS DECIMAL(65,0)))) AS DECIMAL(65,9))" +
					" / NULLIF((CAST(`n` AS DECIMAL(65,0)) * CAST(`n` AS DECIMAL(65,0))), 0)), 4)",
			},
		},
		{ // squares of rounded values: 1 / 3 has nine digits within an expression, and four as a value
			"SELECT host, STDDEV_SAMP(status / 3) AS s FROM events GROUP BY host",
			[]string{
				"host key", "[s__1 total]", "[s__2 total]", "[s__3 total]",
				"s(8) = CAST(SQRT(TRUNCATE((CAST(((CAST(`s__1` AS DECIMAL(65,0)) * CAST(`s__2` AS DECIMAL(65,8))) - (CAST(`s__3` AS DECIMAL(65,4)) * CAST(`s__3` AS DECIMAL(65,4)))) AS DECIMAL(65,20))" +
					" / NULLIF((CAST(`s__1` AS DECIMAL(65,0)) * (CAST(`s__1` AS DECIMAL(65,0)) - 1)), 0)), 20)) AS DECIMAL(65,8))",
			},
		},
	} {
		if diff := cmp.Diff(c.want, columnsOf(t, plan(t, "combined", "INSERT INTO t "+c.text))); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.text, diff)
		}
	}
	kept := map[string]bool{}
	for _, c := range plan(t, "combined", "INSERT INTO t SELECT host, AVG(status) AS a, SUM(bytes) AS bytes, VARIANCE(bytes) AS v FROM events GROUP BY host").Tables()[0].Columns {
		kept[c.Name] = c.KeepScale
	}
	if diff := cmp.Diff(map[string]bool{"host": false, "bytes": true, "v__1": false, "v__2": true, "a__1": false, "a__2": false}, kept); diff != "" {
		t.Errorf("columns that must not round (-expected +got):\n%s", diff)
	}
}

// The functions of the variance are those of the server over the same records, in all digits that a DOUBLE has. The
// values are small differences of large numbers, of which a variance of DOUBLEs would lose all digits.
func TestDifferential_variance(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(differentialSeed(t), 11))
	server := startDiffServer(t)
	functions := []string{"VARIANCE", "VAR_POP", "VAR_SAMP", "STD", "STDDEV", "STDDEV_POP", "STDDEV_SAMP"}
	compared := 0
	for round := range 12 {
		f := &diffFormat{}
		for range diffRows {
			f.rows = append(f.rows, drawRow(rng))
		}
		server.load(t, f.rows)
		x := pick(rng, "n1", "d3", "d5", "CAST(d5 / 7 AS DECIMAL(38,7))", "n1 / 3", "n1 * 1000 + 7")
		theirX := x
		if x == "n1 / 3" {
			theirX = "CAST(n1 / 3 AS DECIMAL(38,4))"
		}
		var ours, their []string
		for i, name := range functions {
			ours = append(ours, fmt.Sprintf("%s(%s) AS x%d", name, x, i))
			their = append(their, fmt.Sprintf("%s(CAST(%s AS DOUBLE))", name, theirX)) // with all digits of the result
		}
		key := "COALESCE(n1 % 3, 0)"
		if round%3 == 0 {
			key = "COALESCE(i1, 0)" // groups of one record
		}
		p, err := f.compile("INSERT INTO t SELECT " + key + " AS k, " + strings.Join(ours, ", ") + " FROM events GROUP BY k")
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range p.programs[0].st.Items {
			if it.HasAggregate() && it.IsAggregate() {
				t.Fatalf("%s is an aggregate, expected an expression", it.Text)
			}
		}
		all := make([]int, len(f.rows))
		for i := range all {
			all[i] = i
		}
		rows, dead := f.fold(p, all)
		if len(dead) > 0 {
			t.Fatalf("%s: got dead letters %v, expected none", x, dead)
		}
		table := createComputed(t, server, rows, round)
		for i, c := range table.Computed {
			stored, _, _, err := server.query(t.Context(), fmt.Sprintf("SELECT k, %s FROM c%d", c.Name, round))
			if err != nil {
				t.Fatal(err)
			}
			own, _, _, err := server.query(t.Context(), fmt.Sprintf("SELECT %s, %s FROM v GROUP BY 1", key, their[i]))
			if err != nil {
				t.Fatal(err)
			}
			column, eval := p.programs[0].computed[i].evaluator(table)
			for r := range rows.Len() {
				values := rowValues(rows, r)
				group := cellText(values[0], &table.Columns[0])
				theirs, inTable := ofGroup(own, group), ofGroup(stored, group)
				if v, ok := eval(values); ok {
					if got := withoutSign(cellText(v, &column)); got != inTable {
						t.Errorf("%s of %s: group %s: got %s, the computed column shows %s", functions[i], x, group, got, inTable)
					}
				}
				if !nearly(inTable, theirs, c.Scale) {
					t.Errorf("%s of %s: group %s: the computed column shows %s, the server computes %s from the records", functions[i], x, group, inTable, theirs)
				}
				compared++
			}
		}
	}
	if compared < 500 {
		t.Errorf("compared %d values, expected more", compared)
	}
}

// nearly reports whether a decimal of so many digits after the point is that of a DOUBLE, but for the last digit, and
// for the last three that a DOUBLE has.
func nearly(decimal, double string, scale int) bool {
	if decimal == "NULL" || double == "NULL" {
		return decimal == double
	}
	a, err := strconv.ParseFloat(decimal, 64)
	b, err2 := strconv.ParseFloat(double, 64)
	return err == nil && err2 == nil && math.Abs(a-b) <= math.Pow10(-scale)+math.Abs(b)*1e-12
}
