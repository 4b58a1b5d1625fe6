package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What follows from the key of the groups is evaluated for each record; the view has the rest.
func TestStep_views(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns []string
		view    string
	}{
		{
			"SELECT TUMBLE(ts, INTERVAL 5 MINUTE) AS five, host, COUNT(*) AS n FROM events GROUP BY five, host HAVING COUNT(*) > 300",
			[]string{"five key", "host key", "n total"},
			"SELECT `five` AS `five`, `host` AS `host`, `n` AS `n` FROM `t__groups` WHERE (CAST(`n` AS DECIMAL(65,0)) > 300)",
		},
		{
			"SELECT TUMBLE(s, INTERVAL 1 MINUTE) AS minute, MAX(n) AS peak FROM (SELECT TUMBLE(ts, INTERVAL 1 SECOND) AS s, COUNT(*) AS n FROM events GROUP BY s) x GROUP BY minute",
			[]string{"minute key", "s key", "n total"},
			"SELECT `minute` AS `minute`, MAX(`n`) AS `peak` FROM `t__groups` GROUP BY `minute`",
		},
		{ // hidden columns; a condition on the key
			"SELECT host FROM events GROUP BY host HAVING COUNT(*) > 300 AND host LIKE 'a%' AND SUM(bytes) > 5",
			[]string{"host key", "[having__1 total]", "[having__2 total]"},
			"SELECT `host` AS `host` FROM `t__groups` WHERE (CAST(`having__1` AS DECIMAL(65,0)) > 300) AND (CAST(`having__2` AS DECIMAL(65,0)) > 5)",
		},
		{ // an alias of a computed column is the value that the column shows; its expression is not rounded
			"SELECT host, SUM(bytes) / COUNT(*) AS mean FROM events GROUP BY host HAVING mean > 5 AND SUM(bytes) / COUNT(*) > 5",
			[]string{
				"host key", "[mean__1 total]", "[mean__2 total]",
				"mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`mean__2` AS DECIMAL(65,0)), 0)), 4)",
			},
			"SELECT `host` AS `host`, `mean` AS `mean` FROM `t__groups` WHERE (CAST(`mean` AS DECIMAL(65,4)) > 5) AND " +
				"(TRUNCATE((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`mean__2` AS DECIMAL(65,0)), 0)), 9) > 5)",
		},
		{ // names of INSERT are those of the view and of its table
			"(a, b) SELECT host, COUNT(*) AS n FROM events GROUP BY 1 HAVING n > 3",
			[]string{"a key", "b total"}, "SELECT `a` AS `a`, `b` AS `b` FROM `t__groups` WHERE (CAST(`b` AS DECIMAL(65,0)) > 3)",
		},
		{ // but of the view alone, if there is an outer SELECT
			"(a, b) SELECT h, n FROM (SELECT host AS h, COUNT(*) AS n FROM events GROUP BY h) x WHERE n > 3",
			[]string{"h key", "n total"}, "SELECT `h` AS `a`, `n` AS `b` FROM `t__groups` WHERE (CAST(`n` AS DECIMAL(65,0)) > 3)",
		},
		{ // a key without aggregates
			"SELECT day, COUNT(*) AS visitors FROM (SELECT DATE(ts) AS day, host, agent FROM events GROUP BY day, host, agent) x GROUP BY day",
			[]string{"day key", "host key", "agent key"}, "SELECT `day` AS `day`, COUNT(*) AS `visitors` FROM `t__groups` GROUP BY `day`",
		},
		{
			"SELECT n DIV 10 AS tens, COUNT(*) AS hosts, AVG(n) AS mean FROM (SELECT host AS h, COUNT(*) AS n FROM events GROUP BY h) x GROUP BY tens HAVING hosts > 2",
			[]string{"h key", "n total"},
			"SELECT TRUNCATE((CAST(`n` AS DECIMAL(65,18)) / 10), 0) AS `tens`, COUNT(*) AS `hosts`, " +
				"ROUND((CAST(SUM(CAST(`n` AS DECIMAL(65,0))) AS DECIMAL(65,9)) / NULLIF(COUNT(CAST(`n` AS DECIMAL(65,0))), 0)), 4) AS `mean` " +
				"FROM `t__groups` GROUP BY TRUNCATE((CAST(`n` AS DECIMAL(65,18)) / 10), 0) HAVING (COUNT(*) > 2)",
		},
	} {
		p := plan(t, "combined", "INSERT INTO t "+c.text)
		table := p.Tables()[0]
		if diff := cmp.Diff(c.columns, columnsOf(t, p)); diff != "" {
			t.Errorf("%s: columns (-expected +got):\n%s", c.text, diff)
		}
		if table.Name != "t__groups" || table.View.Name != "t" || table.View.SQL != c.view {
			t.Errorf("%s\n  got       %s AS %s\n  expected  %s", c.text, table.View.Name, table.View.SQL, c.view)
		}
		if !table.View.IsSame(c.view, "x") {
			t.Errorf("%s: the view is not recognized", c.text)
		}
	}
}

// A subquery's WHERE, and HAVING on the key, exclude NULL from the key, as WHERE does.
func TestStep_notNullKeys(t *testing.T) {
	t.Parallel()
	for text, nullable := range map[string]bool{
		"SELECT level, COUNT(*) AS n FROM events GROUP BY level HAVING n > 3":                                                                     true,
		"SELECT level, COUNT(*) AS n FROM events GROUP BY level HAVING n > 3 AND level IS NOT NULL":                                               false,
		"SELECT l, COUNT(*) AS n FROM (SELECT level AS l, ms FROM events WHERE level IS NOT NULL AND ms > 3) x WHERE ms > 4 GROUP BY l":           false,
		"SELECT l, n FROM (SELECT level AS l, COUNT(*) AS n FROM events WHERE ms > 3 GROUP BY l) x WHERE l LIKE 'a%' AND n > 3":                   false,
		"SELECT p, SUM(n) AS n FROM (SELECT level AS l, COUNT(*) AS n FROM events GROUP BY l) x GROUP BY p":                                       false,
		"SELECT LEFT(l, 2) AS p, SUM(n) AS n FROM (SELECT level AS l, COUNT(*) AS n FROM events WHERE level IS NOT NULL GROUP BY l) x GROUP BY p": false,
	} {
		text = strings.Replace(text, "SELECT p,", "SELECT COALESCE(l, '') AS p,", 1)
		if got := plan(t, "json", "INSERT INTO t "+text).Tables()[0].Columns[0].Nullable; got != nullable {
			t.Errorf("%s: the first column of the key can be NULL: got %v, expected %v", text, got, nullable)
		}
	}
}

// A condition on the key excludes records, so their groups have no row.
func TestStep_conditionOnTheKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"INSERT INTO t SELECT COALESCE(level, '') AS level, COUNT(*) AS n FROM events WHERE ms > 0 GROUP BY level HAVING level LIKE 'w%' AND COUNT(*) > 1",
		"INSERT INTO t SELECT level, n FROM (SELECT COALESCE(level, '') AS level, COUNT(*) AS n FROM events WHERE ms > 0 GROUP BY level) x WHERE n > 1 AND level LIKE 'w%'",
		"INSERT INTO t SELECT k, n FROM (SELECT COALESCE(level, '') AS k, UPPER(level) AS level, COUNT(*) AS n FROM events WHERE ms > 0 GROUP BY k, level) x WHERE n > 1 AND k LIKE 'w%'",
	} {
		text = strings.Replace(text, "UPPER(level)", "CONCAT('', COALESCE(level, ''))", 1)
		f := plan(t, "json", text).NewFold()
		tally := feed(f, `{"level":"warn","ms":1}`, `{"level":"info","ms":1}`, `{"level":"warn","ms":0}`, `{"level":"w","ms":2}`, `{"level":"warn","ms":1}`, `{"ms":3}`)
		got := strings.Join(printed(f.Take()), "\n")
		got = strings.ReplaceAll(strings.ReplaceAll(got, "w w ", "w "), "warn warn ", "warn ")
		if got != "t__groups: w 1\nt__groups: warn 2" || tally.Counted != 3 || tally.Filtered != 3 {
			t.Errorf("%s\n  got %q and %+v, expected two groups of 3 records, and 3 filtered", text, got, tally)
		}
	}
}

func TestStep_rejected(t *testing.T) {
	t.Parallel()
	groups := "(SELECT host AS h, path, COUNT(*) AS n, MAX(agent) AS a, SUM(bytes) AS b FROM events GROUP BY h, path) x"
	for _, c := range []struct{ text, want string }{
		{"INSERT INTO t SELECT host FROM events HAVING host <> ''", "HAVING needs GROUP BY"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING bytes > 5", "bytes: it is neither in GROUP BY nor in an aggregate"},
		{"INSERT INTO t SELECT host, MAX(ts) AS m FROM events GROUP BY host HAVING m > '2026-01-01'", "holds times"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING MAX(agent) = 'x'", "its values are text"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING host = 'a' OR COUNT(*) > 3", "host: holds text"},
		{"INSERT INTO t SELECT host AS h, status AS s, COUNT(*) AS status FROM events GROUP BY h, s HAVING status > 3", "give the alias another name"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING SUM(COUNT(*)) > 3", "cannot contain another"},
		{"REPLACE INTO t SELECT host, status, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3", "REPLACE takes neither HAVING"},
		{"INSERT INTO `" + strings.Repeat("é", 29) + "` SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3", "at most 64 bytes"},
		{"INSERT INTO t SELECT h, n FROM " + groups + " WHERE a = 'x'", "a: holds text"},
		{"INSERT INTO t SELECT h, n FROM " + groups + " WHERE MAX(n) > 3", "an aggregate of groups cannot be here"},
		{"INSERT INTO t SELECT UPPER(h) AS h, n FROM " + groups, "UPPER cannot be in an expression"},
		{"INSERT INTO t SELECT h, MAX(n) AS n FROM " + groups, "neither in the outer GROUP BY nor in an aggregate"},
		{"INSERT INTO t SELECT h, n, COUNT(*) AS c FROM " + groups + " GROUP BY h", "neither in the outer GROUP BY nor in an aggregate"},
		{"INSERT INTO t SELECT h, COUNT(*) AS c FROM " + groups + " GROUP BY h HAVING n > 3", "neither in the outer GROUP BY nor in an aggregate"},
		{"INSERT INTO t SELECT h, SUM(n) / 2 AS c FROM " + groups + " GROUP BY h HAVING c > 3", "cannot be in the outer HAVING"},
		{"INSERT INTO t SELECT UPPER(a) AS u, COUNT(*) AS c FROM " + groups + " GROUP BY u", "UPPER cannot be in an expression"},
		{"INSERT INTO t SELECT h, SUM(a) AS s FROM " + groups + " GROUP BY h", "a: holds text"},
		{"INSERT INTO t SELECT h, STDDEV(n) AS s FROM " + groups + " GROUP BY h", "expected COUNT, SUM, MIN, MAX or AVG"},
		{"INSERT INTO t SELECT h, BIT_OR(n) AS s FROM " + groups + " GROUP BY h", "expected COUNT, SUM, MIN, MAX or AVG"},
		{"INSERT INTO t SELECT h, COUNT(DISTINCT n + 1) AS c FROM " + groups + " GROUP BY h", "DISTINCT takes a column"},
		{"INSERT INTO t SELECT h, MAX(SUM(n)) AS c FROM " + groups + " GROUP BY h", "cannot contain another"},
		{"INSERT INTO t SELECT UPPER(h) AS n, COUNT(*) AS c FROM " + groups + " GROUP BY n", "is a column of the subquery, too"},
		{"INSERT INTO t SELECT h.x AS c FROM " + groups, "h is a column of groups"},
		{"INSERT INTO t SELECT host FROM " + groups, "host: no such column in x"},
		{"INSERT INTO t SELECT m FROM (SELECT h, MAX(n) AS m FROM " + groups + " GROUP BY h) y", "groups of groups"},
		{"INSERT INTO t SELECT n FROM (SELECT host, COUNT(*) FROM events GROUP BY host) x", "it needs a name"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3; INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 4", "statement 2: it computes t in another way"},
		{"INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3; INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host", "statement 2: it writes t, but another statement makes t a view"},
		{"INSERT INTO T__groups SELECT host, COUNT(*) AS n FROM events GROUP BY host; INSERT INTO T SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3", "statement 1: it writes T__groups, but another statement makes T a view"},
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile(c.text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\n  got       %v\n  expected  %s", c.text, err, c.want)
		}
	}
}

// The forms in which servers show a view are recognized, and no other view is. MySQL's are what its sources print;
// MariaDB's are compared with a real server elsewhere.
func TestView_isSame(t *testing.T) {
	t.Parallel()
	v := plan(t, "combined", `INSERT INTO t SELECT h, COUNT(*) AS c, MAX(n) AS m FROM (SELECT host AS h, status, COUNT(*) AS n FROM events GROUP BY h, status) x
		WHERE n > 3 AND n < 9 GROUP BY h HAVING COUNT(*) > 2`).Tables()[0].View
	const (
		items   = "select `db`.`t__groups`.`h` AS `h`,count(0) AS `c`,max(`db`.`t__groups`.`n`) AS `m` from `db`.`t__groups`"
		mariadb = items + " where cast(`db`.`t__groups`.`n` as decimal(65,0)) > 3 and cast(`db`.`t__groups`.`n` as decimal(65,0)) < 9 group by `db`.`t__groups`.`h` having count(0) > 2"
		mysql   = items + " where ((cast(`db`.`t__groups`.`n` as decimal(65,0)) > 3) and (cast(`db`.`t__groups`.`n` as decimal(65,0)) < 9)) group by `db`.`t__groups`.`h` having (count(0) > 2)"
	)
	for _, stored := range []string{mariadb, mysql, v.SQL} {
		if !v.IsSame(stored, "db") {
			t.Errorf("%s\n  is not recognized as %s", stored, v.SQL)
		}
		for _, change := range [][2]string{
			{"> 3", "> 4"}, {"< 9", "<= 9"}, {"> 2", "> 1"}, {"`m`", "`n`"}, {"t__groups` ", "other` "}, {"max(", "min("}, {"MAX(", "MIN("},
			{" AS `c`", " AS `c`,1 AS `d`"}, {"(65,0)", "(64,0)"}, {"from `db`.", "from `d`."}, {" group by", " limit"}, {" GROUP BY", " limit"},
		} {
			if other := strings.Replace(stored, change[0], change[1], 1); other != stored && v.IsSame(other, "db") {
				t.Errorf("%s\n  is taken for %s", other, v.SQL)
			}
		}
	}
	for _, other := range []string{"", "select 1", "select * from t__groups", mariadb + " limit 3", mariadb + " union " + mariadb, "select 1 AS a from (select 1) x", strings.Replace(mariadb, "from `db`.`t__groups`", "from `db`.`t__groups` join `u`", 1)} {
		if v.IsSame(other, "db") {
			t.Errorf("%q is taken for the view", other)
		}
	}
}
