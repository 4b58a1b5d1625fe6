//go:build integration

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// statusLine returns an access-log line with this status.
func statusLine(status int) []byte {
	return fmt.Appendf(nil, `10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /x HTTP/1.1" %d 10 "-" "-"`, status)
}

// put produces the value n times to one partition.
func put(ctx context.Context, t *testing.T, cl *kgo.Client, partition int32, n int, value []byte) {
	t.Helper()
	var rs []*kgo.Record
	for range n {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: value})
	}
	if err := cl.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// readNumber reads one number, -1 if the server is unreachable.
func readNumber(ctx context.Context, db *sql.DB, query string) int64 {
	n := int64(-1)
	_ = db.QueryRowContext(ctx, query).Scan(&n)
	return n
}

// TestExactness_QuietPartition keeps partition 0 of a task busy. A failover that lost the last transaction of partition
// 1, which gets no records, and then etl offsets set for it, both take effect within --recheck.
func TestExactness_QuietPartition(t *testing.T) {
	ctx := etltest.Bounded(t, 4*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT status, COUNT(*) AS n FROM events GROUP BY status"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--tasks=1", "--recheck=3s"}
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	next := func(id int32) int64 {
		return readNumber(ctx, s.db, fmt.Sprintf("SELECT next_offset FROM etl_checkpoint WHERE partition_id = %d", id))
	}

	put(ctx, t, cl, 0, 100, statusLine(200))
	put(ctx, t, cl, 1, 100, statusLine(500))
	etltest.Await(ctx, t, "both are counted", func() bool { return next(0) == 100 && next(1) == 100 })
	older, err := s.server.CopyData()
	if err != nil {
		t.Fatal(err)
	}
	put(ctx, t, cl, 1, 50, statusLine(500))
	etltest.Await(ctx, t, "partition 1 is counted", func() bool { return next(1) == 150 })
	if err := s.server.RestoreData(older); err != nil {
		t.Fatal(err)
	}
	busy := int64(100)
	whileBusy := func(what string, condition func() bool) {
		t.Helper()
		ok := etltest.Within(20*time.Second, func() bool {
			put(ctx, t, cl, 0, 1, statusLine(200))
			busy++
			return condition()
		})
		if !ok {
			t.Fatalf("expected within 20 s, with --recheck=3s: %s", what)
		}
	}
	seen := func(status int) int64 {
		return readNumber(ctx, s.db, fmt.Sprintf("SELECT COALESCE(SUM(n), 0) FROM seen WHERE status = %d", status))
	}
	whileBusy("the lost records of partition 1 are counted again", func() bool { return next(1) == 150 && seen(500) == 150 })

	args := []string{
		"offsets", "set", "--job=" + job, "--kafka-brokers=" + s.broker.addr, "--kafka-topic=" + topic,
		"--mysql-dsn=" + mariadbtest.User + ":" + mariadbtest.Password + "@tcp(" + s.proxy.Addr() + ")/" + s.schema,
		"--partition=1", "--offset=140", "--reason=count the last ten again", "--apply",
	}
	if out, err := exec.CommandContext(ctx, etlBinary, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whileBusy("the checkpoint that a person set is taken over", func() bool { return next(1) == 150 && seen(500) == 160 })
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) && seen(200) == busy })
	p.Stop(ctx, t)
}
