package app

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/query"
)

// limitsQuery has a statement for each kind of limit of a created column. Each record is for the statement that it
// names.
const limitsQuery = `
INSERT INTO big SELECT COALESCE(CAST(v AS UNSIGNED), 0) AS k, COUNT(*) AS n FROM events WHERE kind = 'int key' GROUP BY k;
INSERT INTO extremes SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, MIN(CAST(v AS UNSIGNED) + 1) AS least, MAX(CAST(v AS UNSIGNED) + 1) AS most FROM events WHERE kind = 'int' GROUP BY g;
INSERT INTO sums SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, SUM(v) AS total, COUNT(v) AS n FROM events WHERE kind = 'sum' GROUP BY g;
INSERT INTO fractions SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, SUM(CAST(v AS DECIMAL(38,30))) AS total, MAX(CAST(v AS DECIMAL(38,30))) AS most FROM events WHERE kind = 'fraction' GROUP BY g;
INSERT INTO decimals SELECT COALESCE(CAST(v AS DECIMAL(38,10)), 0) AS k, COUNT(*) AS n FROM events WHERE kind = 'decimal key' GROUP BY k;
INSERT INTO texts SELECT COALESCE(v, '') AS k, COUNT(*) AS n FROM events WHERE kind = 'text key' GROUP BY k;
INSERT INTO two SELECT COALESCE(v, '') AS a, LEFT(COALESCE(w, ''), 500) AS b, COUNT(*) AS n FROM events WHERE kind = 'two texts' GROUP BY a, b;
INSERT INTO longest SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, MAX(CAST(v AS CHAR)) AS most FROM events WHERE kind = 'text' GROUP BY g;
INSERT INTO times SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, MIN(CAST(v AS DATETIME)) AS earliest, MAX(CAST(v AS DATETIME(6))) AS latest FROM events WHERE kind = 'time' GROUP BY g;
INSERT INTO doubles SELECT COALESCE(CAST(g AS SIGNED), 0) AS g, MAX(CAST(v AS DOUBLE)) AS most FROM events WHERE kind = 'double' GROUP BY g;
INSERT INTO plain SELECT kind, CAST(v AS UNSIGNED) AS i, CAST(v AS DECIMAL(20,0)) AS d FROM events WHERE kind = 'plain'`

// limitsRecords has records at, below and above the limits. Those for sums exceed the range of BIGINT alone or
// together.
func limitsRecords() (lines []string) {
	record := func(kind, v string) {
		lines = append(lines, fmt.Sprintf(`{"kind":%q,"g":1,"v":%s,"w":"w"}`, kind, v))
	}
	text := func(s string, n int) string { return `"` + strings.Repeat(s, n) + `"` }
	nines := strings.Repeat("9", 38)
	for kind, values := range map[string][]string{
		"int key":     {"0", "9223372036854775807", "9223372036854775808", "18446744073709551615"},
		"int":         {"1", "9223372036854775806", "9223372036854775807", "18446744073709551615"},
		"sum":         {"9223372036854775807", "9223372036854775807", "-9223372036854775808", "18446744073709551615", nines[:28], nines[:28], nines[:29], "1" + nines[:28], "null", "0.0000004", "0.0000005"},
		"fraction":    {"0.009999", "0.009999999999999999999999999999", "0.01", "99999999", "-0.009", "1e-30", "4e-31"},
		"decimal key": {nines[:28], "-" + nines[:28], "0.00000000005"},
		"text key":    {text("x", 768), text("x", 769), text("é", 768), text("😀", 768), text("😀", 769), `""`, "null"},
		"two texts":   {text("x", 268), text("x", 269), text("é", 269)},
		"text":        {text("a", 65535), text("b", 65536), text("é", 32767), text("é", 32768), text("😀", 16384), text("c", 70000)},
		"time":        {`"1000-01-01 00:00:00"`, `"0999-12-31 23:59:59"`, `"9999-12-31 23:59:59.999999"`, `"9999-12-31 23:59:59-00:01"`, `"2015-05-17 10:05:03.5"`},
		"double":      {"1e308", "1.7976931348623157e308", "-1e308", "5e-324"},
		"plain":       {"9223372036854775807", "9223372036854775808", "18446744073709551615"},
	} {
		for _, v := range values {
			record(kind, v)
		}
	}
	slices.Sort(lines)
	return lines
}

// A dry run shows the same rows and dead letters as a real run into the tables that --create-tables creates, because it
// applies the limits of their columns.
func TestDryRun_matchesARealRun(t *testing.T) {
	t.Parallel()
	opts := query.DefaultOptions()
	opts.Format = "json"
	compile := func() *query.Plan {
		plan, err := query.Compile(limitsQuery, opts)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	lines := limitsRecords()

	server, k := mariadbtest.Start(t), broker(t)
	dsn := server.DSN(server.Database(t))
	cfg := config(t, k.ListenAddrs()[0], dsn)
	cfg.Kafka.Partitions, cfg.Plan, cfg.Sink.CreateTables = 1, compile(), true
	p := start(t, cfg)
	p.loads(t)
	if err := p.dial(t).Append(t.Context(), events(lines...)); err != nil {
		t.Fatal(err)
	}
	await(t, "all records are taken", func() bool {
		return slices.Equal(rows(t, dsn, "SELECT next_offset FROM etl_checkpoint"), []string{fmt.Sprint(len(lines))})
	})

	plan := compile()
	if err := plan.Bind(schema.Created(plan.Tables())); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	in := query.Input{Name: cfg.Kafka.Topic, Reader: strings.NewReader(strings.Join(lines, "\n"))}
	res, err := query.DryRun(t.Context(), plan, []query.Input{in}, &out, -1, strings.Clone)
	if err != nil {
		t.Fatal(err)
	}
	if res.Dead < 10 || res.Counted < 20 {
		t.Errorf("the records test too little: %+v; expected Dead at least 10 and Counted at least 20", res)
	}
	sections := strings.Split(out.String(), "\n\n")
	for _, table := range plan.Tables() {
		var keys []string
		for _, c := range table.Columns[:table.Keys] {
			keys = append(keys, c.Name)
		}
		var columns []string
		for _, c := range table.Columns {
			columns = append(columns, fmt.Sprintf("COALESCE(%s, 'NULL')", c.Name))
		}
		real := rows(t, dsn, "SELECT "+strings.Join(columns, ", ")+" FROM "+table.Name+" ORDER BY "+strings.Join(keys, ", "))
		dry := section(sections, table.Name+": ", 2)
		for i, row := range dry {
			dry[i] = strings.Join(strings.Fields(strings.ReplaceAll(row, "e+308", "e308")), " ")
		}
		for i, row := range real {
			real[i] = strings.Join(strings.Fields(row), " ")
		}
		if diff := cmp.Diff(real, dry); diff != "" || len(real) == 0 {
			t.Errorf("rows of %s, real (-) and dry (+):\n%.2000s", table.Name, diff)
		}
	}
	real := rows(t, dsn, "SELECT record_offset, reason FROM etl_dead_letter ORDER BY record_offset")
	dry := section(sections, "dead letters: ", 1)
	for i := range max(len(real), len(dry)) {
		if i >= len(real) || i >= len(dry) {
			t.Fatalf("%d real dead letters, %d of the dry run:\n%.3000q\n%.3000q", len(real), len(dry), real, dry)
		}
		at, reason, _ := strings.Cut(real[i], " ")
		// The dry run shows what the reason omits.
		var offset int
		if _, err := fmt.Sscan(at, &offset); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("^%s:%d: %s(: .*)?$", cfg.Kafka.Topic, offset+1, strings.ReplaceAll(regexp.QuoteMeta(reason), "…", ".*"))
		if !regexp.MustCompile(want).MatchString(dry[i]) {
			t.Errorf("the reason of a real dead letter is %q at offset %s, in the dry run %q, for %.80s", reason, at, dry[i], lines[offset])
		}
	}
}

// section returns the lines below one heading of a dry run's output.
func section(sections []string, head string, heads int) []string {
	for _, s := range sections {
		if strings.HasPrefix(s, head) {
			if lines := strings.Split(s, "\n"); len(lines) > heads {
				return lines[heads:]
			}
		}
	}
	return nil
}
