package mysqlout

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// loadRecords stores the records of all partitions in the table records, from which the server computes what is
// expected.
func loadRecords(t *testing.T, f *fixture, logs [][]batch.Record) {
	t.Helper()
	f.Exec(t, "CREATE TABLE records (p INT, o INT, at BIGINT, u VARCHAR(50) COLLATE utf8mb4_nopad_bin, page TEXT COLLATE utf8mb4_nopad_bin, ms INT, PRIMARY KEY (p, o))")
	for id, log := range logs {
		var values []string
		for i := range log {
			var r struct {
				U    string
				Page *string
				Ms   *int
			}
			if err := json.Unmarshal(log[i].Value, &r); err != nil {
				t.Fatal(err)
			}
			page, ms := "NULL", "NULL"
			if r.Page != nil {
				page = "'" + *r.Page + "'"
			}
			if r.Ms != nil {
				ms = fmt.Sprint(*r.Ms)
			}
			values = append(values, fmt.Sprintf("(%d, %d, %d, '%s', %s, %s)", id, log[i].Offset, log[i].Timestamp, r.U, page, ms))
		}
		f.Exec(t, "INSERT INTO records VALUES "+strings.Join(values, ","))
	}
}

// The totals of all kinds are those that the server computes from all records at once, whatever the batches of two
// processes are, in which order they commit, and what is folded again.
func TestAggregates_twoProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, `INSERT INTO totals SELECT COALESCE(LEFT(u, 50), '') AS u, BIT_AND(CAST(ms AS SIGNED)) AS a, BIT_OR(CAST(ms AS SIGNED)) AS o,
		BIT_XOR(CAST(ms AS SIGNED)) AS x, ANY_VALUE(page) AS page, VARIANCE(CAST(ms AS DECIMAL(9,1))) AS v, STDDEV_SAMP(CAST(ms AS SIGNED)) AS s,
		COUNT(IF(ms > 0, 1, NULL)) AS positive, BIT_OR(IF(ms > 2000, 1, NULL)) AS none, BIT_AND(IF(ms > 2000, 1, NULL)) AS ones FROM events GROUP BY u`, logs, seed)
	loadRecords(t, f, logs)
	got := f.Text(t, "SELECT u, a, o, x, page, ROUND(v, 6), s, positive, none, ones FROM totals ORDER BY u")
	want := f.Text(t, `SELECT u, BIT_AND(ms), BIT_OR(ms), BIT_XOR(ms), MIN(page), ROUND(CAST(COUNT(ms) * SUM(ms * ms) - SUM(ms) * SUM(ms) AS DECIMAL(65,20)) / (COUNT(ms) * COUNT(ms)), 6),
		CAST(STDDEV_SAMP(CAST(ms AS DOUBLE)) AS DECIMAL(65,4)), COUNT(IF(ms > 0, 1, NULL)), 0, 18446744073709551615 FROM records GROUP BY u ORDER BY u`)
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}
