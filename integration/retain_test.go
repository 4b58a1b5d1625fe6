//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// retainSite is a site whose query counts records by hour and key, and the records that were produced.
type retainSite struct {
	*site
	cl   *kgo.Client
	want map[string]string // rows of hits, by hour and key, of the windows that are kept
}

// hourText returns an hour of a day that any clock has passed long ago.
func hourText(h int) string {
	return time.Date(2015, 5, 1, h, 0, 0, 0, time.UTC).Format(time.DateTime)
}

// put produces a record of each hour and key, in all partitions by turns.
func (s *retainSite) put(ctx context.Context, t *testing.T, keys int, hours ...int) (n int64) {
	t.Helper()
	var records []*kgo.Record
	for _, h := range hours {
		for k := range keys {
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(k % 6), Value: fmt.Appendf(nil, `{"ts":"%s","k":"%04d"}`, hourText(h), k)})
			if h >= keptFrom {
				key := fmt.Sprintf("%s %04d", hourText(h), k)
				var n int
				_, _ = fmt.Sscan(s.want[key], &n) // empty at first
				s.want[key] = fmt.Sprint(n + 1)
			}
		}
	}
	if err := s.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return int64(len(records))
}

// The newest window of the test begins at newestHour; with an age of 24 hours, the mark is keptFrom.
const (
	newestHour = 101
	keptFrom   = newestHour - 24
)

// compareKept compares the rows from the mark on with the records, and the audit with the offsets.
func (s *retainSite) compareKept(ctx context.Context, t *testing.T, when string) {
	t.Helper()
	got := readTable(ctx, t, s.db, "SELECT h, k, n FROM hits WHERE h >= '"+hourText(keptFrom)+"'", 2)
	if !maps.Equal(got, s.want) {
		t.Errorf("%s: %d rows of kept windows are %v, expected %d as in %v", when, len(got), first(got), len(s.want), first(s.want))
	}
	if n := readNumber(ctx, s.db, "SELECT COUNT(*) FROM etl_checkpoint WHERE next_offset - first_offset <> counted + filtered + dead + gaps + duplicates + skipped"); n != 0 {
		t.Errorf("%s: the audit of %d partitions does not balance", when, n)
	}
}

// first returns the first rows of a table.
func first(rows map[string]string) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(rows))[:min(len(rows), 5)] {
		out = append(out, key+" = "+rows[key])
	}
	return out
}

// TestP36_KilledWhileWindowsAreDeleted gives a table with a history an age, and kills etl at each step of the deletion,
// beside a process that was started before and does not have the age. The first mark fences that process. Records of
// deleted windows are dead letters there, whether the rows are deleted yet or not. The windows that are kept are exact at
// all times, and every process that is started continues the deletion.
func TestP36_KilledWhileWindowsAreDeleted(t *testing.T) {
	ctx := etltest.Bounded(t, 5*time.Minute)
	s := &retainSite{site: newSite(t), want: map[string]string{}}
	const query = "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, k, COUNT(*) AS n FROM events WHERE ts IS NOT NULL AND k IS NOT NULL GROUP BY h, k"
	if err := os.WriteFile(s.query, []byte(query), 0o600); err != nil {
		t.Fatal(err)
	}
	s.every = []string{"--format=json"}
	old := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	s.cl = s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer s.cl.Close()
	const keys = 1500
	counted := s.put(ctx, t, keys, 0, 1, 2, 3, 4)
	expired := counted
	counted += s.put(ctx, t, 60, keptFrom, 90, newestHour)
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	s.compareKept(ctx, t, "before")

	s.every = []string{"--format=json", "--retain=24h"}
	rows := func() int64 {
		return readNumber(ctx, s.db, "SELECT COUNT(*) FROM hits WHERE h < '"+hourText(keptFrom)+"'")
	}
	mark := func() string {
		var low string
		_ = s.db.QueryRowContext(ctx, "SELECT low_water FROM etl_retain WHERE table_name = 'hits'").Scan(&low)
		return low
	}
	const none = "1000-01-01 00:00:00"
	var late int64
	for _, step := range []struct {
		point   string
		mark    string // afterwards
		deletes bool   // rows are deleted
	}{
		{failpoint.RetainBegins, "", false},
		{failpoint.RetainBegun, none, false},
		{failpoint.LowWaterOpen, none, false},
		{failpoint.LowWaterMoved, hourText(keptFrom), false},
		{failpoint.Deleting, hourText(keptFrom), false},
		{failpoint.Deleted, hourText(keptFrom), true},
		{failpoint.Deleting + ":kill:2", hourText(keptFrom), true},
	} {
		before := rows()
		at := step.point
		if !strings.Contains(at, ":") {
			at += ":kill"
		}
		s.start(t, "load", at).AwaitKilled(ctx, t)
		// The server may take a moment to notice that the connection of the killed process is closed. A locking read waits
		// until it has rolled back the transaction. (information_schema.innodb_trx is not refreshed while it is polled.)
		for _, table := range []string{"etl_checkpoint", "etl_retain", "hits"} {
			if table == "etl_retain" && step.mark == "" {
				continue // it does not exist yet
			}
			if _, err := s.db.ExecContext(ctx, "SELECT COUNT(*) FROM "+table+" LOCK IN SHARE MODE"); err != nil {
				t.Fatalf("%s: wait for the transaction of the killed process: %v", step.point, err)
			}
		}
		if got := mark(); got != step.mark {
			t.Errorf("%s: the mark is %q, expected %q", step.point, got, step.mark)
		}
		after := rows()
		if step.deletes != (after < before) {
			t.Errorf("%s: there were %d rows of old windows, and there are %d; expected fewer: %v", step.point, before, after, step.deletes)
		}
		// A record of an old window, beside one of a kept one.
		n := s.put(ctx, t, 12, 3)
		counted += s.put(ctx, t, 12, 90)
		if step.mark == hourText(keptFrom) {
			late += n
		} else {
			counted += n
		}
		etltest.Await(ctx, t, "everything is counted after "+step.point, func() bool { return s.drained(ctx, t) })
		if got := rows(); got > after {
			t.Errorf("%s: %d rows of old windows, and %d after late records, expected no more", step.point, after, got)
		}
		if got := readNumber(ctx, s.db, "SELECT SUM(dead) FROM etl_checkpoint"); got != late {
			t.Errorf("%s: %d records are dead, expected %d", step.point, got, late)
		}
		s.compareKept(ctx, t, step.point)
	}

	last := s.start(t, "load", "")
	etltest.Await(ctx, t, "the old windows are deleted", func() bool { return rows() == 0 })
	etltest.Await(ctx, t, "the process reports what it has deleted", func() bool {
		return strings.Contains(last.Metrics(ctx), `etl_retain_deleted_rows_total{table="hits"} `)
	})
	late += s.put(ctx, t, 600, 0, 4, keptFrom-1)
	counted += s.put(ctx, t, 60, keptFrom, newestHour)
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	s.compareKept(ctx, t, "at the end")
	if n := rows(); n != 0 {
		t.Errorf("%d rows of deleted windows were created again, expected none", n)
	}
	if got := readNumber(ctx, s.db, "SELECT SUM(counted) FROM etl_checkpoint"); got != counted {
		t.Errorf("%d records are counted, expected %d, of which %d and more were deleted since", got, counted, expired)
	}
	const reason = "h is …, before …: earlier windows of hits are deleted (option 'retain')"
	var got int64
	if err := s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(records), 0) FROM etl_dead_letter WHERE reason = ?", reason).Scan(&got); err != nil || got != late {
		t.Errorf("%d dead letters have the reason %q, %v; expected %d", got, reason, err, late)
	}
	old.Stop(ctx, t)
	last.Stop(ctx, t)
}
