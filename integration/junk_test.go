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

// TestP20_InvalidRecordsOfOneSender floods 12 partitions with 30,000 lines that are not access-log lines, with good lines before,
// between and after them, and kills the process in the middle. Every good line is counted, nothing stops, the audit has
// each dead record, and the stored dead letters represent all of them.
func TestP20_InvalidRecordsOfOneSender(t *testing.T) {
	const partitions, junk, good = 12, 2500, 600 // of each partition
	ctx := etltest.Bounded(t, 4*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT status, COUNT(*) AS n FROM events GROUP BY status"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.every = []string{"--kafka-partitions=12", "--dead-letter-rate=100"}
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	for id := range int32(partitions) {
		put(ctx, t, cl, id, good/3, statusLine(200))
	}
	etltest.Await(ctx, t, "good traffic is counted", func() bool { return s.counted(ctx) == partitions*good/3 })
	for range 10 {
		for id := range int32(partitions) {
			put(ctx, t, cl, id, junk/10, []byte("one sender's junk"))
			put(ctx, t, cl, id, good/30, statusLine(200))
		}
	}
	etltest.Await(ctx, t, "a part of the junk is committed", func() bool {
		return readNumber(ctx, s.db, "SELECT SUM(dead) FROM etl_checkpoint") > 0
	})
	p.Kill(t)
	p = s.start(t, "load", "")
	for id := range int32(partitions) {
		put(ctx, t, cl, id, good/3, statusLine(200))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	for id, c := range readCheckpoints(ctx, t, s.db, job) {
		if c.Counted != good || c.Dead != junk || c.Next != good+junk {
			t.Errorf("partition %d: %+v, expected %d counted and %d dead", id, c, good, junk)
		}
	}
	if n := readNumber(ctx, s.db, "SELECT n FROM seen WHERE status = 200"); n != partitions*good {
		t.Errorf("%d good lines are counted, expected %d", n, partitions*good)
	}
	stands := readNumber(ctx, s.db, "SELECT SUM(records) FROM etl_dead_letter WHERE kind = 'record'")
	stored := readNumber(ctx, s.db, "SELECT COUNT(*) FROM etl_dead_letter")
	if stands != partitions*junk || stored >= partitions*junk || stored < partitions {
		t.Errorf("%d dead letters are stored for %d records, expected fewer than %d, for all of them", stored, stands, partitions*junk)
	}
	metrics := p.Metrics(ctx)
	for line := range strings.SplitSeq(metrics, "\n") {
		if strings.HasPrefix(line, "etl_batch_stopped_partitions_total ") && !strings.HasSuffix(line, " 0") {
			t.Error(line)
		}
	}
	if !strings.Contains(metrics, "\netl_dead_letter_not_stored_total ") {
		t.Error(fmt.Sprint("no metric of dead letters that were not stored in ", len(metrics), " bytes"))
	}
	p.Stop(ctx, t)
}
