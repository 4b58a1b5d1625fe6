package mysqlout

import (
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A target that is partitioned by its window takes upserts in each partition. After a partition is dropped, which the next
// transaction finds, counting continues; a late record of its windows starts them again.
func TestCommit_partitionsByWindow(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE t (hour DATETIME NOT NULL, k VARCHAR(50) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (hour, k)) " +
		"PARTITION BY RANGE COLUMNS (hour) (PARTITION a VALUES LESS THAN ('2026-01-02'), PARTITION b VALUES LESS THAN ('2026-01-03'), PARTITION c VALUES LESS THAN (MAXVALUE)); " +
		"INSERT INTO t SELECT TUMBLE(COALESCE(CAST(at AS DATETIME), '2026-01-01 00:00:00'), INTERVAL 1 HOUR) AS hour, COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n FROM events GROUP BY hour, k"
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	rows := func() string { return f.Text(t, "SELECT CAST(hour AS CHAR), k, n FROM t ORDER BY hour, k") }
	records := []string{`{"at":"2026-01-01 10:00:05","k":"x"}`, `{"at":"2026-01-02 11:30:00","k":"x"}`, `{"at":"2026-01-05 12:00:00","k":"y"}`}
	countMore(t, f, text, records...)
	countMore(t, f, text, records...)
	const later = "2026-01-02 11:00:00 x 2\n2026-01-05 12:00:00 y 2"
	if got := rows(); got != "2026-01-01 10:00:00 x 2\n"+later {
		t.Errorf("got\n%s\nexpected 2 in each partition", got)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM t PARTITION (b)"); got != "1" {
		t.Errorf("partition b has %s rows, expected 1", got)
	}
	f.Exec(t, "ALTER TABLE t DROP PARTITION a")
	if got := rows(); got != later {
		t.Errorf("after a partition was dropped: got\n%s\nexpected\n%s", got, later)
	}
	countMore(t, f, text, records...)
	if got := rows(); got != "2026-01-01 10:00:00 x 1\n2026-01-02 11:00:00 x 3\n2026-01-05 12:00:00 y 3" {
		t.Errorf("after more records: got\n%s", got)
	}
}
