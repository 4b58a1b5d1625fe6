package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/row"
)

// columnsOf describes the columns of a plan's only table: hidden ones are in brackets, computed ones have their SQL.
func columnsOf(t *testing.T, p *Plan) (lines []string) {
	t.Helper()
	table := p.Tables()[0]
	for _, c := range table.Columns {
		text := fmt.Sprintf("%s %v", c.Name, c.Merge)
		if c.Hidden {
			text = "[" + text + "]"
		}
		lines = append(lines, text)
	}
	for _, c := range table.Computed {
		lines = append(lines, fmt.Sprintf("%s(%d) = %s", c.Name, c.Scale, c.SQL))
	}
	return lines
}

// An aggregate within an expression has a column of its own, unless SELECT has the same one as an item.
func TestComputed_hiddenColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{
			"SELECT path, COUNT(*) AS hits, SUM(bytes)/COUNT(*) AS mean, ROUND(100 * COUNT(IF(status>=500,1,NULL))/COUNT(*), 2) AS error_pct FROM events GROUP BY path",
			[]string{
				"path key", "hits total", "[mean__1 total]", "[error_pct__1 total]",
				"mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`hits` AS DECIMAL(65,0)), 0)), 4)",
				"error_pct(2) = ROUND((CAST((100 * CAST(`error_pct__1` AS DECIMAL(65,0))) AS DECIMAL(65,9)) / NULLIF(CAST(`hits` AS DECIMAL(65,0)), 0)), 2)",
			},
		},
		{ // the item comes later, and is written in other letters
			"SELECT SUM(bytes) - sum(bytes) AS zero, sum(bytes) AS total, status FROM events GROUP BY status",
			[]string{"status key", "total total", "zero(0) = (CAST(`total` AS DECIMAL(65,0)) - CAST(`total` AS DECIMAL(65,0)))"},
		},
		{ // two expressions share a hidden column; a count of values that are never NULL is COUNT(*)
			"SELECT status, AVG(status) AS a, SUM(status) + MIN(status) AS b, COUNT(*) AS n FROM events GROUP BY status",
			[]string{
				"status key", "n total", "[a__1 total]", "[b__1 minimum]",
				"a(4) = ROUND((CAST(`a__1` AS DECIMAL(65,9)) / NULLIF(CAST(`n` AS DECIMAL(65,0)), 0)), 4)",
				"b(0) = (CAST(`a__1` AS DECIMAL(65,0)) + CAST(`b__1` AS DECIMAL(65,0)))",
			},
		},
		{ // items of the key
			"SELECT status DIV 100 AS class, status, COUNT(*) * (status DIV 100) + events.status AS x FROM events GROUP BY class, status",
			[]string{
				"class key", "status key", "[x__1 total]",
				"x(0) = ((CAST(`x__1` AS DECIMAL(65,0)) * CAST(`class` AS DECIMAL(65,0))) + CAST(`status` AS DECIMAL(65,0)))",
			},
		},
	} {
		if diff := cmp.Diff(c.want, columnsOf(t, plan(t, "combined", "INSERT INTO t "+c.text))); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.text, diff)
		}
	}
}

// Statements into one table compute the same column in the same way, over the columns that both need.
func TestComputed_severalStatements(t *testing.T) {
	t.Parallel()
	const first = "INSERT INTO t SELECT path AS p, SUM(CAST(bytes AS DECIMAL(20,2))) / COUNT(*) AS mean FROM events GROUP BY p;"
	p := plan(t, "combined", first+"INSERT INTO t SELECT host AS p, SUM(status / 8) / COUNT(*) AS mean FROM events GROUP BY p")
	want := []string{
		"p key", "[mean__1 total]", "[mean__2 total]",
		"mean(8) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`mean__2` AS DECIMAL(65,0)), 0)), 8)",
	}
	if diff := cmp.Diff(want, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"SELECT host AS p, SUM(status) * COUNT(*) AS mean FROM events GROUP BY p":                "another way",
		"SELECT host AS p, SUM(status) AS mean__1, COUNT(*) AS mean__2 FROM events GROUP BY p":   "computes other columns",
		"SELECT host AS p, COUNT(*) / SUM(status) AS mean FROM events GROUP BY p":                "another kind",
		"SELECT host AS p, COUNT(*) AS n, SUM(status) / COUNT(*) AS mean FROM events GROUP BY p": "which an earlier statement does not",
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile(first+"INSERT INTO t "+text, o); err == nil || !strings.Contains(err.Error(), "statement 2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  got       %v\n  expected  statement 2: … %s", text, err, want)
		}
	}
}

func TestComputed_rejected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ item, want string }{
		{"SUM(bytes) / status AS x", "status`: it is neither in GROUP BY nor in an aggregate"},
		{"SUM(SUM(bytes) / COUNT(*)) AS x", "an aggregate cannot contain another"},
		{"APPROX_COUNT_DISTINCT(bytes) / COUNT(*) AS x", "give it a column of its own"},
		{"APPROX_PERCENTILE(bytes, 0.5) > 5 AS x", "give it a column of its own"},
		{"APPROX_PERCENTILE(bytes) AS x", "expected a number and a share"},
		{"APPROX_PERCENTILE(bytes, 95) AS x", "expected a constant from 0 to 1"},
		{"APPROX_PERCENTILE(bytes, status) AS x", "expected a constant from 0 to 1"},
		{"APPROX_PERCENTILE(bytes, 0.0000000001) AS x", "at most 9 digits"},
		{"APPROX_PERCENTILE(agent, 0.5) AS x", "is text, but a number is expected"},
		{"APPROX_PERCENTILE(ts, 0.5) AS x", "is a time, but a number is expected"},
		{"APPROX_PERCENTILE(CAST(bytes AS DOUBLE), 0.5) AS x", "DECIMAL(p,s)"},
		{"GROUP_CONCAT(DISTINCT bytes) AS x", "GROUP_CONCAT(DISTINCT CAST(bytes AS CHAR))"},
		{"GROUP_CONCAT(DISTINCT agent ORDER BY agent DESC) AS x", "in ascending order of their bytes"},
		{"GROUP_CONCAT(DISTINCT agent ORDER BY host) AS x", "in ascending order of their bytes"},
		{"GROUP_CONCAT(DISTINCT agent, host) AS x", "takes one text"},
		{"GROUP_CONCAT(agent) AS x", "write GROUP_CONCAT(DISTINCT"},
		{"GROUP_CONCAT(DISTINCT agent) = 'a' AS x", "its values are text"},
		{"APPROX_COUNT_DISTINCT(bytes) = 5 AS x", "give it a column of its own"},
		{"SUM(DISTINCT bytes) / COUNT(*) AS x", "only COUNT, MIN, MAX and ANY_VALUE have DISTINCT"},
		{"MAX(ts) > MIN(ts) AS x", "its values are times, but a column is computed from numbers only"},
		{"IF(MAX(agent) = 'x', 1, 0) AS x", "its values are text"},
		{"IF(COUNT(*) > 3, 'many', 'few') AS x", "'many': is text"},
		{"LEFT(host, 3) = 'a' AND COUNT(*) > 3 AS x", "LEFT cannot be in an expression of aggregates"},
		{"host = 'a' AND COUNT(*) > 3 AS x", "host: holds text"},
		{"host LIKE 'a' AND COUNT(*) > 3 AS x", "LIKE cannot be in an expression of aggregates"},
		{"COUNT(*) * 1e3 AS x", "is a DOUBLE"},
		{"CAST(COUNT(*) AS DOUBLE) AS x", "expected CAST to SIGNED or DECIMAL"},
		{"CAST(COUNT(*) AS UNSIGNED) AS x", "expected CAST to SIGNED or DECIMAL"},
		{"CAST(COUNT(*) AS CHAR) AS x", "expected CAST to SIGNED or DECIMAL"},
		{"MAX(CAST(bytes AS DOUBLE)) / 2 AS x", "its values are DOUBLEs"},
		{"CONCAT(COUNT(*), '') AS x", "CONCAT cannot be in an expression of aggregates"},
		{"NOW() - COUNT(*) AS x", "_timestamp"},
		{"ROUND(SUM(bytes), COUNT(*)) AS x", "is not a constant"},
		{"COUNT(*) + NULL AS x", "is always NULL"},
		{"COUNT(*) + INTERVAL 1 DAY AS x", "DATE_ADD cannot be in an expression of aggregates"},
		{"SUM(bytes) / COUNT(*) AS x, SUM(status) AS x__1", "another item of SELECT has"},
		{"SUM(bytes) / COUNT(*) AS x, SUM(status) AS X__2", "another item of SELECT has"},
		{"SUM(bytes) / COUNT(*) AS `" + strings.Repeat("é", 31) + "`", "at most 64 bytes"},
		{"AVG(DISTINCT bytes) AS x", "DISTINCT"},
		{"AVG(bytes, 2) AS x", "AVG takes one expression"},
		{strings.Repeat("(1 + ", 90) + "COUNT(*)" + strings.Repeat(")", 90) + " AS x", ""},
		{strings.Repeat("NOT ", 10) + strings.Repeat("(", 20) + "COUNT(*)" + strings.Repeat(" IN (1, 2, 3))", 20) + " AS x", "longer than 8192 bytes"},
	} {
		o := DefaultOptions()
		o.Format = "combined"
		_, err := Compile("INSERT INTO t SELECT host, "+c.item+" FROM events GROUP BY host", o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s\n  got       %v\n  expected  %s", c.item, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"SELECT host, COUNT(*) AS n FROM events WHERE SUM(bytes) / 2 > 1 GROUP BY host": "an aggregate cannot be in WHERE",
		"SELECT host, COUNT(*) AS n FROM events WHERE AVG(bytes) > 1 GROUP BY host":     "in SELECT",
		"SELECT SUM(bytes) / 2 AS k, COUNT(*) AS n FROM events GROUP BY k":              "it is the aggregate",
		"SELECT host, SUM(bytes) / COUNT(*) OVER () AS n FROM events GROUP BY host":     "window functions",
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile("INSERT INTO t "+text, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  got       %v\n  expected  %s", text, err, want)
		}
	}
}

// The forms in which servers show a generated column are recognized, and no other expression is. MySQL's are what its
// sources print; MariaDB's are compared with a real server elsewhere.
func TestComputed_isSame(t *testing.T) {
	t.Parallel()
	computed := func(item string) row.Computed {
		return plan(t, "combined", "INSERT INTO t SELECT host, status, COUNT(*) AS hits, SUM(bytes) AS bytes, "+item+" AS x FROM events GROUP BY host, status").Tables()[0].Computed[0]
	}
	for _, c := range []struct {
		item, mariadb, mysql string
		others               []string
	}{
		{
			"SUM(bytes) / COUNT(*)",
			"round(cast(`bytes` as decimal(65,9)) / nullif(cast(`hits` as decimal(65,0)),0),4)",
			"round((cast(`bytes` as decimal(65,9)) / nullif(cast(`hits` as decimal(65,0)),0)),4)",
			[]string{
				"round(cast(`bytes` as decimal(65,9)) / nullif(cast(`hits` as decimal(65,0)),0),3)",
				"round(cast(`hits` as decimal(65,9)) / nullif(cast(`bytes` as decimal(65,0)),0),4)",
				"`bytes` / `hits`", "`bytes` / nullif(cast(`hits` as decimal(65,0)),0)", "round(cast(`bytes` as decimal(65,9)) / `hits`,4)", "", "1)", "round(cast(`bytes` as decimal(65,9)) / nullif(cast(`hits` as decimal(65,0)),0),4) AS x",
			},
		},
		{
			"COUNT(*) - (status - 1.50) % -2",
			"cast(`hits` as decimal(65,0)) - ((cast(`status` as decimal(65,0)) - 1.50) MOD -2 + 0)",
			"(cast(`hits` as decimal(65,0)) - (((cast(`status` as decimal(65,0)) - 1.50) % -(2)) + 0))",
			[]string{"cast(`hits` as decimal(65,0)) - cast(`status` as decimal(65,0)) - 1.50 MOD -2 + 0"},
		},
		{
			"CASE WHEN COUNT(*) > 1 AND (status = 2 AND SUM(bytes) IS NOT NULL) THEN 1 ELSE COALESCE(SUM(bytes), 0) END",
			"case when cast(`hits` as decimal(65,0)) > 1 and cast(`status` as decimal(65,0)) = 2 and cast(`bytes` as decimal(65,0)) is not null then 1 else coalesce(cast(`bytes` as decimal(65,0)),0) end",
			"(case when ((cast(`hits` as decimal(65,0)) > 1) and (cast(`status` as decimal(65,0)) = 2) and (cast(`bytes` as decimal(65,0)) is not null)) then 1 else coalesce(cast(`bytes` as decimal(65,0)),0) end)",
			[]string{
				"case when cast(`hits` as decimal(65,0)) > 1 and cast(`status` as decimal(65,0)) = 2 and cast(`bytes` as decimal(65,0)) is null then 1 else coalesce(cast(`bytes` as decimal(65,0)),0) end",
				"case when cast(`hits` as decimal(65,0)) > 1 or cast(`status` as decimal(65,0)) = 2 and cast(`bytes` as decimal(65,0)) is not null then 1 else coalesce(cast(`bytes` as decimal(65,0)),0) end",
				"case when cast(`hits` as decimal(65,0)) > 1 and cast(`status` as decimal(65,0)) = 2 and cast(`bytes` as decimal(65,0)) is not null then 1 end",
			},
		},
	} {
		x := computed(c.item)
		for _, stored := range []string{c.mariadb, c.mysql, x.SQL, strings.ToUpper(x.SQL)} {
			if !x.IsSame(stored) {
				t.Errorf("%s: %s is not recognized as %s", c.item, stored, x.SQL)
			}
		}
		for _, stored := range c.others {
			if x.IsSame(stored) {
				t.Errorf("%s: %s is taken for %s", c.item, stored, x.SQL)
			}
		}
	}
}
