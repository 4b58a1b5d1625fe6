package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Aggregates without GROUP BY are one row of all records, whose key is a hidden column. Statements may share the row.
func TestOneRow(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT COUNT(*) AS n, SUM(status) / COUNT(*) AS mean FROM events WHERE status < 500"
	want := []string{"[etl__row key]", "n total", "[mean__1 total]", "mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`n` AS DECIMAL(65,0)), 0)), 4)"}
	if diff := cmp.Diff(want, columnsOf(t, plan(t, "combined", text))); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	input := lines(string(line(200, "5")), string(line(404, "7")), string(line(503, "1")))
	for text, want := range map[string]string{
		text: "t: 1 rows\nn      mean\n2  302.0000\n",
		"INSERT INTO t SELECT COUNT(*) AS n FROM events; INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE status = 503": "t: 1 rows\nn\n4\n",
		"INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE status = 1":                                                   "t: 0 rows\n",
	} {
		if got := dryRunText(t, "combined", "", text, input); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got\n%s\nexpected\n%s", text, got, want)
		}
	}
}
