package query

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/accesslog"
)

// logText returns n generated lines.
func logText(seed uint64, n int) []byte {
	rng := accesslog.New(seed)
	var b []byte
	for i := range n {
		b = append(accesslog.Append(b, rng, i), '\n')
	}
	return b
}

func plan(t testing.TB, format, text string) *Plan {
	t.Helper()
	o := DefaultOptions()
	o.Format = format
	p, err := Compile(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dryRun returns the printed rows of one table in sorted order, with single spaces between columns.
func dryRun(t testing.TB, p *Plan, log []byte) (rows []string, res DryRunResult) {
	t.Helper()
	var out bytes.Buffer
	res, err := DryRun(context.Background(), p, []Input{{Name: "access.log", Reader: bytes.NewReader(log)}}, &out, -1, strings.Clone)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(out.String(), "\n") {
		if i < 2 {
			continue
		}
		if line == "" {
			break
		}
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	return rows, res
}

// The same counts by awk, which every Debian has, over the same lines. awk splits at white space and quotes, and shares
// no code with this project.
func TestDryRun_countsMatchAwk(t *testing.T) {
	t.Parallel()
	awk, err := exec.LookPath("awk")
	if err != nil {
		t.Skip("NOT RUN: no awk to compare with")
	}
	log := logText(11, 20000)
	for _, c := range []struct{ name, sql, awk string }{
		{
			"status", `SELECT status, COUNT(*) AS hits FROM events GROUP BY status`,
			`{ sub(/^[^"]*"([^"\\]|\\.)*" /, ""); n[$1]++ } END { for (k in n) print k, n[k] }`,
		},
		{
			"bytes", `SELECT status, COUNT(bytes) AS sized, SUM(bytes) AS bytes, MAX(bytes) AS largest FROM events GROUP BY status`,
			`{ sub(/^[^"]*"([^"\\]|\\.)*" /, ""); seen[$1]; if ($2 != "-") { c[$1]++; s[$1] += $2; if ($2 + 0 > m[$1] + 0) m[$1] = $2 } }
			 END { for (k in seen) print k, c[k] + 0, c[k] ? sprintf("%.0f", s[k]) : "NULL", c[k] ? m[k] + 0 : "NULL" }`,
		},
		{
			"minute", `SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, COUNT(*) AS hits FROM events GROUP BY 1`,
			`{ split(substr($0, index($0, "[") + 1), a, /[\/: ]/); n[a[3] "-03-" a[1] " " a[4] ":" a[5] ":00"]++ } END { for (k in n) print k, n[k] }`,
		},
		{
			"method", `SELECT method, COUNT(*) AS hits FROM events WHERE path LIKE '/api/%' GROUP BY method`,
			`{ sub(/^[^"]*"/, ""); if ($1 ~ /^[A-Z]+$/ && $2 ~ /^\/api\//) n[$1]++ } END { for (k in n) print k, n[k] }`,
		},
		{
			"host", `SELECT host, COUNT(*) AS hits FROM events WHERE user = '-' GROUP BY host`,
			`$3 == "-" { n[$1]++ } END { for (k in n) print k, n[k] }`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(awk, c.awk)
			cmd.Stdin = bytes.NewReader(log)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for line := range strings.Lines(string(out)) {
				want[strings.TrimSpace(line)] = true
			}
			rows, res := dryRun(t, plan(t, "combined", "INSERT INTO t "+c.sql), log)
			got := map[string]bool{}
			for _, r := range rows {
				got[r] = true
			}
			if diff := cmp.Diff(want, got); diff != "" || len(rows) != len(want) || len(rows) == 0 {
				t.Errorf("awk counts (-) and ours (+) differ:\n%s", diff)
			}
			if res.Dead != 0 || res.Lines != 20000 || res.Counted+res.Filtered != 20000 {
				t.Errorf("%+v; expected 20000 lines, all counted or filtered", res)
			}
		})
	}
}

func TestDryRun_prints(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "INSERT INTO db.hits SELECT method, COUNT(*) AS n, SUM(bytes) AS bytes FROM events GROUP BY method")
	log := `a - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 10 "-" "x"
nonsense
a - - [17/May/2015:10:05:03 +0000] "HEAD / HTTP/1.1" 304 - "-" "x"
`
	var out bytes.Buffer
	if _, err := DryRun(context.Background(), p, []Input{{Name: "a.log", Reader: strings.NewReader(log)}}, &out, 5, strings.Clone); err != nil {
		t.Fatal(err)
	}
	want := `db.hits: 2 rows
method  n  bytes
GET     1     10
HEAD    1   NULL

dead letters: 1
a.log:2: expected host, ident and user before the time, separated by spaces

3 lines: 2 counted, 0 filtered, 1 dead; 2 rows
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// Computed columns have the values that the server computes, and hidden columns are not printed.
func TestDryRun_printsComputedColumns(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", `INSERT INTO hits SELECT path, ROUND(100 * COUNT(IF(status >= 500, 1, NULL)) / COUNT(*), 2) AS error_pct,
		COUNT(*) AS hits, SUM(bytes) / COUNT(*) AS mean, AVG(bytes) AS a, -FLOOR(SUM(bytes) / 3) AS f FROM events GROUP BY path`)
	log := `a - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 10 "-" "x"
a - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 503 - "-" "x"
a - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 500 10 "-" "x"
a - - [17/May/2015:10:05:03 +0000] "GET /b HTTP/1.1" 304 - "-" "x"
`
	var out bytes.Buffer
	if _, err := DryRun(context.Background(), p, []Input{{Name: "a.log", Reader: strings.NewReader(log)}}, &out, 5, strings.Clone); err != nil {
		t.Fatal(err)
	}
	want := `hits: 2 rows
path  hits  error_pct    mean        a     f
/        3      66.67  6.6667  10.0000    -6
/b       1       0.00    NULL     NULL  NULL

4 lines: 4 counted, 0 filtered, 0 dead; 2 rows
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
