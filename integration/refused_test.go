//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// TestP18_OneInvalidRecordAmongMany loads thousands of good records of one group and a few that MySQL rejects. Exactly those
// become dead letters, every other record is counted, no partition stops, and a restart continues.
func TestP18_OneInvalidRecordAmongMany(t *testing.T) {
	const minute = "2026-09-21T10:01:%02dZ"
	for name, test := range map[string]struct{ table, query, bad, stored string }{
		"TIMESTAMP": {
			"CREATE TABLE target (k VARCHAR(8) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, last TIMESTAMP NULL)",
			"INSERT INTO target SELECT 'all' AS k, COUNT(*) AS n, MAX(CAST(t AS DATETIME)) AS last FROM events GROUP BY k",
			"2040-01-01T00:00:00Z", "all|4000|2026-09-21 10:01:59",
		},
		"CHECK on an extreme": {
			"CREATE TABLE target (k VARCHAR(8) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, last DATETIME NULL CHECK (last < '2030-01-01'))",
			"INSERT INTO target SELECT 'all' AS k, COUNT(*) AS n, MAX(CAST(t AS DATETIME)) AS last FROM events GROUP BY k",
			"2040-01-01T00:00:00Z", "all|4000|2026-09-21 10:01:59",
		},
		"no partition": {
			"CREATE TABLE target (k DATETIME NOT NULL PRIMARY KEY, n BIGINT NOT NULL, last DATETIME NULL) " +
				"PARTITION BY RANGE COLUMNS(k) (PARTITION p26 VALUES LESS THAN ('2027-01-01'))",
			"INSERT INTO target SELECT TUMBLE(COALESCE(CAST(t AS DATETIME), _timestamp), INTERVAL 1 MINUTE) AS k, COUNT(*) AS n, MAX(CAST(t AS DATETIME)) AS last FROM events GROUP BY k",
			"2099-01-01T00:00:00Z", "2026-09-21 10:01:00|4000|2026-09-21 10:01:59",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := etltest.Bounded(t, 2*time.Minute)
			s := newSite(t)
			if err := os.WriteFile(s.query, []byte(test.query), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.ExecContext(ctx, test.table); err != nil {
				t.Fatal(err)
			}
			s.more = []string{"--format=json"}
			p := s.start(t, "load", "")
			etltest.Await(ctx, t, "etl is ready", func() bool { return p.Ready(ctx) })
			cl := s.broker.client(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			defer cl.Close()
			produce := func(from, to int, bad ...int) {
				t.Helper()
				var records []*kgo.Record
				for i := from; i < to; i++ {
					at := fmt.Sprintf(minute, i%60)
					for _, b := range bad {
						if i == b {
							at = test.bad
						}
					}
					records = append(records, &kgo.Record{Partition: int32(i % 2), Value: fmt.Appendf(nil, `{"t":"%s"}`, at)})
				}
				if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			produce(0, 2002, 777, 1500)
			etltest.Await(ctx, t, "everything has its fate", func() bool { return s.drained(ctx, t) })
			p.Kill(t)
			produce(2002, 4003, 3001)
			p = s.start(t, "load", "")
			etltest.Await(ctx, t, "everything has its fate after a restart", func() bool { return s.drained(ctx, t) })
			var stored string
			if err := s.db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(CONCAT_WS('|', k, n, last) SEPARATOR ',') FROM target").Scan(&stored); err != nil {
				t.Fatal(err)
			}
			if stored != test.stored {
				t.Errorf("stored is %s, expected %s", stored, test.stored)
			}
			var dead string
			if err := s.db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(value ORDER BY at, record_offset SEPARATOR ',') FROM etl_dead_letter").Scan(&dead); err != nil {
				t.Fatal(err)
			}
			if strings.Count(dead, ",") != 2 || strings.Count(dead, test.bad) != 3 {
				t.Errorf("dead letters are %s, expected the three records of %s", dead, test.bad)
			}
			var counted, died int64
			for _, c := range readCheckpoints(ctx, t, s.db, job) {
				counted, died = counted+c.Counted, died+c.Dead
			}
			if counted != 4000 || died != 3 {
				t.Errorf("the audit has %d counted and %d dead, expected 4000 and 3", counted, died)
			}
			p.Stop(ctx, t)
		})
	}
}
