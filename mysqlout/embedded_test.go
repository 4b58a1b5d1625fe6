package mysqlout

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

func TestSinktest_embedded(t *testing.T) { runEmbedded(t, sqltest.CountsTable(), countsDelta) }

// A table with states is written to the embedded server, too.
func TestSinktest_embeddedStateful(t *testing.T) { runEmbedded(t, latestTable(), latestCounts()) }

func runEmbedded(t *testing.T, table row.Table, delta func(*row.Table, map[string]int64) row.Delta) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness[row.Delta] {
		db := sqltest.Embedded(t)
		harness := sqlHarness(t, db.Pool, db.SQL, table, delta)
		harness.Writers = 1
		harness.Rejected = strings.Repeat("x", 201) // longer than its column
		return harness
	})
}
