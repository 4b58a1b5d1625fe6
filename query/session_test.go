package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

const visits = "SELECT SESSION(ts, INTERVAL 1 HOUR) AS visit, host, COUNT(*) AS pages, MIN(ts) AS began, MAX(ts) AS ended FROM events GROUP BY visit, host"

// The table has a row for each part, with the times of its first and last event, and the view merges what can be merged.
func TestSession_views(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns []string
		view    []string // its parts
	}{
		{
			visits,
			[]string{"visit__3600s key", "host key", "pages total", "began minimum", "ended maximum"},
			[]string{
				"SELECT `etl__start` AS `visit`, `host` AS `host`, CAST(SUM(`pages`) AS SIGNED) AS `pages`, MIN(`began`) AS `began`, MAX(`ended`) AS `ended` FROM (SELECT `host`",
				"MAX(CASE WHEN (`etl__before` IS NULL) OR (`began` >= (`etl__before` + INTERVAL 3600 SECOND)) THEN `began` END) OVER (PARTITION BY `host` ORDER BY `began`) AS `etl__start` FROM (SELECT `host`",
				"LAG(`ended`, 1) OVER (PARTITION BY `host` ORDER BY `began`) AS `etl__before` FROM `t__groups`) AS `p`) AS `s` GROUP BY `etl__start`, `host`",
			},
		},
		{ // its own columns for the times
			"SELECT SESSION(ts, INTERVAL 2 DAY) AS v, BIT_OR(status) AS o, ANY_VALUE(path) AS a FROM events GROUP BY SESSION(ts, INTERVAL 2 DAY)",
			[]string{"v__172800s key", "o bits by |", "a minimum", "[v__first minimum]", "[v__last maximum]"},
			[]string{"BIT_OR(`o`) AS `o`, MIN(`a`) AS `a` FROM", "LAG(`v__last`, 1) OVER (ORDER BY `v__first`)", "INTERVAL 172800 SECOND", "`s` GROUP BY `etl__start`"},
		},
		{ // a condition on the key is evaluated for each record
			"SELECT SESSION(ts, INTERVAL 1 MINUTE) AS v, host, SUM(bytes) / COUNT(*) AS mean FROM events GROUP BY v, host HAVING COUNT(*) > 3 AND host LIKE 'a%'",
			[]string{
				"v__60s key", "host key", "[mean__1 total]", "[mean__2 total]", "[v__first minimum]", "[v__last maximum]",
				"mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`mean__2` AS DECIMAL(65,0)), 0)), 4)",
			},
			[]string{
				"ROUND((CAST(SUM(CAST(`mean__1` AS DECIMAL(65,0))) AS DECIMAL(65,9)) / NULLIF(SUM(CAST(`mean__2` AS DECIMAL(65,0))), 0)), 4) AS `mean`",
				"GROUP BY `etl__start`, `host` HAVING (SUM(CAST(`mean__2` AS DECIMAL(65,0))) > 3)",
			},
		},
	} {
		p := plan(t, "combined", "INSERT INTO t "+c.text)
		table := p.Tables()[0]
		if diff := cmp.Diff(c.columns, columnsOf(t, p)); diff != "" {
			t.Errorf("%s: columns (-expected +got):\n%s", c.text, diff)
		}
		for _, part := range c.view {
			if !strings.Contains(table.View.SQL, part) {
				t.Errorf("%s\n  got       %s\n  expected  %s", c.text, table.View.SQL, part)
			}
		}
		if table.Name != "t__groups" || table.View.Name != "t" || !table.View.Windows || !table.View.IsSame(table.View.SQL, "x") {
			t.Errorf("%s: got %+v of %s", c.text, table.View, table.Name)
		}
	}
}

// etl explain says what the rows of the table are.
func TestSession_explained(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := plan(t, "combined", "INSERT INTO t "+visits).Explain(&out, func(*row.Table) string { return "" }); err != nil {
		t.Fatal(err)
	}
	if want := "row     one for each group of visit__3600s, host; visit__3600s is a part of a session, of 3600 s, and the view joins the parts\n"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, expected %s", out.String(), want)
	}
}

// Several statements write sessions to one table, of other fields.
func TestSession_statementsOfOneTable(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", `INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, a AS k, COUNT(*) AS n FROM events WHERE a IS NOT NULL GROUP BY v, k;
		INSERT INTO t SELECT SESSION(_timestamp, INTERVAL 60 MINUTE) AS v, b AS k, COUNT(*) AS n FROM events WHERE b IS NOT NULL GROUP BY v, k`)
	if table := p.Tables()[0]; len(p.Tables()) != 1 || table.View == nil || table.Column("v__first").Scale != 6 {
		t.Errorf("got %v, expected one table with a view", p.Tables())
	}
}

// A part is as long as the gap, and counts from 1970-01-01 00:00:00 UTC in any time zone.
func TestSession_parts(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format, o.TimeZone = "json", location(t, "Europe/Berlin")
	p, err := Compile("INSERT INTO t SELECT SESSION(ts, INTERVAL 7 HOUR) AS v, COUNT(*) AS n, MIN(CAST(ts AS DATETIME(6))) AS lo FROM events GROUP BY v", o)
	if err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	var bodies []string
	for _, at := range []string{
		"1970-01-01T00:00:00Z", "1970-01-01T06:59:59.999999Z", "1970-01-01T07:00:00Z", "1969-12-31T23:59:59.999999Z", "1969-12-31T17:00:00Z", "1969-12-31T16:59:59Z",
	} {
		bodies = append(bodies, `{"ts":"`+at+`"}`)
	}
	tally := feed(f, append(bodies, `{}`, `{"ts":"yesterday"}`)...)
	if len(tally.Dead) != 1 || tally.Counted != 7 {
		t.Errorf("got %+v, expected 7 records that are counted and one that is dead", tally)
	}
	want(t, printed(f.Take()),
		"t__groups: 1969-12-31 10:00:00 1 1969-12-31 16:59:59.000000 1969-12-31 16:59:59.000000",
		"t__groups: 1969-12-31 17:00:00 2 1969-12-31 17:00:00.000000 1969-12-31 23:59:59.999999",
		"t__groups: 1970-01-01 00:00:00 2 1970-01-01 00:00:00.000000 1970-01-01 06:59:59.999999",
		"t__groups: NULL 1 NULL NULL",
		"t__groups: 1970-01-01 07:00:00 1 1970-01-01 07:00:00.000000 1970-01-01 07:00:00.000000")
}

// The limits of lateness apply to the time of a session.
func TestSession_lateness(t *testing.T) {
	t.Parallel()
	p := lateness(t, "json", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v", 2*time.Hour, 0)
	for at, want := range map[string]string{"2026-11-28 10:00:00": "counted", "2026-11-28 09:59:59": "ts is …, more than 2h0m0s"} {
		got := fate(p, batch.Record{Timestamp: kafkaTime, Value: []byte(`{"ts":"` + at + `"}`)})
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, expected %s", at, got, want)
		}
	}
}

func TestSession_rejected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, APPROX_COUNT_DISTINCT(host) AS n FROM events GROUP BY v", "a view cannot merge it"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, FIRST(bytes) + 1 AS n FROM events GROUP BY v", "compute with it when you select"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v HAVING MAX_BY(bytes, ts) > 3", "compute with it when you select"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, FIRST(path) AS etl__Order1 FROM events GROUP BY v", "of its own"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, APPROX_PERCENTILE(bytes, 0.5) AS n FROM events GROUP BY v", "a view cannot merge it"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(DISTINCT host) / COUNT(*) AS n FROM events GROUP BY v", "a view cannot merge it"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v HAVING COUNT(DISTINCT host) > 3", "a view cannot merge it"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, BIT_OR(status) + 1 AS n FROM events GROUP BY v", "compute with it when you select"},
		{"SELECT SESSION(ts, INTERVAL 0 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v", "a whole number from 1"},
		{"SELECT SESSION(ts, INTERVAL status HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v", "a whole number from 1"},
		{"SELECT SESSION(ts, INTERVAL 5 MICROSECOND) AS v, COUNT(*) AS n FROM events GROUP BY v", "expected SECOND"},
		{"SELECT SESSION(ts, INTERVAL 1 YEAR) AS v, COUNT(*) AS n FROM events GROUP BY v", "expected SECOND"},
		{"SELECT SESSION(ts) AS v, COUNT(*) AS n FROM events GROUP BY v", "the number of its arguments is 1"},
		{"SELECT SESSION(host, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v", "write CAST(host AS DATETIME)"},
		{"SELECT host, COUNT(*) AS n FROM events WHERE SESSION(ts, INTERVAL 1 HOUR) > '2026-01-01' GROUP BY host", "must be an item of GROUP BY"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS v__first FROM events GROUP BY v", "give that another alias"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS " + strings.Repeat("v", 58) + ", COUNT(*) AS n FROM events GROUP BY 1", "at most 64 bytes"},
		{"SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, host, COUNT(*) AS n FROM events GROUP BY v, host HAVING MAX(agent) = 'x'", "its values are text"},
		{"SELECT n FROM (SELECT SESSION(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v) x", "an outer SELECT cannot read sessions"},
		{"SELECT SESSION(v, INTERVAL 1 HOUR) AS w, COUNT(*) AS c FROM (SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS v, COUNT(*) AS n FROM events GROUP BY v) x GROUP BY w", "SESSION"},
		{visits + "; INSERT INTO t " + strings.Replace(visits, "1 HOUR", "2 HOUR", 1), "statement 2: it writes column visit__7200s of t__groups, which an earlier statement does not"},
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile("INSERT INTO t "+c.text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\n  got       %v\n  expected  %s", c.text, err, c.want)
		}
	}
}

// The forms in which servers show a view of sessions are recognized, and no other view is. MySQL's is what its sources
// print; MariaDB's is compared with a real server elsewhere.
func TestSession_isSame(t *testing.T) {
	t.Parallel()
	v := plan(t, "combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS visit, host, COUNT(*) AS n FROM events GROUP BY visit, host").Tables()[0].View
	const (
		parts = "from (select `db`.`t__groups`.`host` AS `host`,`db`.`t__groups`.`n` AS `n`,`db`.`t__groups`.`visit__first` AS `visit__first`,`db`.`t__groups`.`visit__last` AS `visit__last`,"
		mysql = "select `s`.`etl__start` AS `visit`,`s`.`host` AS `host`,cast(sum(`s`.`n`) as signed) AS `n` from (select `p`.`host` AS `host`,`p`.`n` AS `n`,`p`.`visit__first` AS `visit__first`,`p`.`visit__last` AS `visit__last`," +
			"max((case when ((`p`.`etl__before` is null) or (`p`.`visit__first` >= (`p`.`etl__before` + interval 3600 second))) then `p`.`visit__first` end)) OVER (PARTITION BY `p`.`host` ORDER BY `p`.`visit__first` )  AS `etl__start` " +
			parts + "lag(`db`.`t__groups`.`visit__last`,1) OVER (PARTITION BY `db`.`t__groups`.`host` ORDER BY `db`.`t__groups`.`visit__first` )  AS `etl__before` from `db`.`t__groups`) `p`) `s` group by `s`.`etl__start`,`s`.`host`"
		mariadb = "select `s`.`etl__start` AS `visit`,`s`.`host` AS `host`,cast(sum(`s`.`n`) as signed) AS `n` from (select `p`.`host` AS `host`,`p`.`n` AS `n`,`p`.`visit__first` AS `visit__first`,`p`.`visit__last` AS `visit__last`," +
			"max(case when `p`.`etl__before` is null or `p`.`visit__first` >= `p`.`etl__before` + interval 3600 second then `p`.`visit__first` end) over ( partition by `p`.`host` order by `p`.`visit__first`) AS `etl__start` " +
			parts + "lag(`db`.`t__groups`.`visit__last`,1) over ( partition by `db`.`t__groups`.`host` order by `db`.`t__groups`.`visit__first`) AS `etl__before` from `db`.`t__groups`) `p`) `s` group by `s`.`etl__start`,`s`.`host`"
	)
	for _, stored := range []string{mariadb, mysql, v.SQL} {
		if !v.IsSame(stored, "db") {
			t.Errorf("%s\n  is not recognized as %s", stored, v.SQL)
		}
		for _, change := range [][2]string{
			{" >= ", " > "}, {"3600", "3601"}, {" second", " minute"}, {" SECOND", " MINUTE"}, {"lag(", "lead("}, {"LAG(", "LEAD("}, {",1)", ",2)"}, {", 1)", ", 2)"},
			{"partition by `p`.`host` ", ""}, {"PARTITION BY `p`.`host` ", ""}, {"PARTITION BY `host` ", ""},
			{"order by `p`.`visit__first`", "order by `p`.`visit__first` desc"}, {"ORDER BY `p`.`visit__first` ", "ORDER BY `p`.`visit__first` desc"}, {"ORDER BY `visit__first`", "ORDER BY `visit__last`"},
			{"order by `p`.`visit__first`", "order by `p`.`visit__first` rows unbounded preceding"}, {"is null", "is not null"}, {"IS NULL", "IS NOT NULL"},
			{"sum(", "max("}, {"SUM(", "MAX("}, {"from `db`.`t__groups`", "from `db`.`u__groups`"}, {"FROM `t__groups`", "FROM `u__groups`"}, {"group by `s`.`etl__start`,", "group by "}, {"GROUP BY `etl__start`, ", "GROUP BY "},
			{") `p`", " where n > 1) `p`"}, {") AS `p`", " WHERE n > 1) AS `p`"},
		} {
			if other := strings.Replace(stored, change[0], change[1], 1); other != stored && v.IsSame(other, "db") {
				t.Errorf("%s\n  is taken for %s", other, v.SQL)
			}
		}
	}
	if simple := plan(t, "combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3").Tables()[0].View; v.IsSame(simple.SQL, "db") || simple.IsSame(v.SQL, "db") {
		t.Error("a view without sessions is taken for one with them")
	}
}

// To find the part of an event allocates nothing.
func TestSession_allocatesNothing(t *testing.T) {
	f := plan(t, "combined", "INSERT INTO t "+visits).NewFold()
	records := []batch.Record{{Value: []byte(line(200, "17"))}, {Offset: 1, Value: []byte(strings.Replace(line(200, "17"), "17/May", "18/May", 1))}}
	var tally batch.Tally
	f.Add(part, records, &tally)
	n := testing.AllocsPerRun(100, func() {
		for i := range records {
			records[i].Offset += 2
		}
		f.Add(part, records, &tally)
	})
	if n > 0 || len(tally.Dead) > 0 {
		t.Errorf("got %v allocations for two records and dead letters %v, expected none", n, tally.Dead)
	}
}
