//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// countBad returns how many dead records the audit has, how many dead letters are stored, and how many records these
// represent.
func (s *site) countBad(ctx context.Context) (dead, stored, stands int64) {
	return readNumber(ctx, s.db, "SELECT SUM(dead) FROM etl_checkpoint"), readNumber(ctx, s.db, "SELECT COUNT(*) FROM etl_dead_letter"),
		readNumber(ctx, s.db, "SELECT COALESCE(SUM(records), 0) FROM etl_dead_letter")
}

// metricOf returns a metric's value, or -1 if it is missing.
func metricOf(text, name string) int64 {
	for line := range strings.SplitSeq(text, "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return -1
			}
			return int64(f)
		}
	}
	return -1
}

// compareBad compares the metrics of the only process, the table and the audit: each dead record is stored or counted
// as not stored, and the dead letters represent all of them.
func (s *site) compareBad(ctx context.Context, t *testing.T, p *etltest.Process, want int64) (stored int64) {
	t.Helper()
	dead, stored, stands := s.countBad(ctx)
	text := p.Metrics(ctx)
	counted := metricOf(text, `etl_batch_records_total{fate="dead"}`)
	written, left := metricOf(text, "etl_commit_dead_letters_total"), metricOf(text, "etl_dead_letter_not_stored_total")
	if dead != want || stands != want || counted != want || written != stored || written+left != want {
		t.Errorf("%d dead in the audit, %d in the metric, dead letters represent %d, expected %d; %d dead letters stored, %d in the metric, %d not stored",
			dead, counted, stands, want, stored, written, left)
	}
	return stored
}

// TestP20_InvalidRecordsAtTheStart starts with a flood of one sender's junk in one partition, and nothing in the others. That
// partition stops. The first good line of another partition shows that format and query are right, so the stopped one
// resumes automatically. A second flood, in all partitions, stops nothing.
func TestP20_InvalidRecordsAtTheStart(t *testing.T) {
	const junk, good = 4000, 500
	ctx := etltest.Bounded(t, 2*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT status, COUNT(*) AS n FROM events GROUP BY status"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--recheck=2s", "--dead-letter-rate=20"}
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	put(ctx, t, cl, 0, junk, []byte("one sender's junk"))
	etltest.Await(ctx, t, "the partition stops", func() bool { return metricOf(p.Metrics(ctx), "etl_batch_stopped_partitions_total") > 0 })
	if dead, _, _ := s.countBad(ctx); dead >= 1000 {
		t.Errorf("%d dead records of a partition that stops at 1,000, expected less than 1000", dead)
	}
	put(ctx, t, cl, 0, good, statusLine(200))
	put(ctx, t, cl, 1, good, statusLine(200))
	etltest.Await(ctx, t, "the partition resumes", func() bool { return s.drained(ctx, t) })
	s.compareBad(ctx, t, p, junk)
	stops := metricOf(p.Metrics(ctx), "etl_batch_stopped_partitions_total")

	for id := range int32(6) {
		put(ctx, t, cl, id, junk/2, []byte("one sender's junk"))
		put(ctx, t, cl, id, good, statusLine(200))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	if stored := s.compareBad(ctx, t, p, junk+6*junk/2); stored > 2000 {
		t.Errorf("%d dead letters are stored at 20 a second, expected at most 2000", stored)
	}
	if n := readNumber(ctx, s.db, "SELECT n FROM seen WHERE status = 200"); n != 8*good {
		t.Errorf("%d good lines are counted, expected %d", n, 8*good)
	}
	if n := readNumber(ctx, s.db, "SELECT COUNT(DISTINCT reason) FROM etl_dead_letter"); n != 1 {
		t.Errorf("%d reasons, expected 1", n)
	}
	if n := metricOf(p.Metrics(ctx), "etl_batch_stopped_partitions_total"); n != stops {
		t.Errorf("%d stops after the second flood, expected still %d", n, stops)
	}
	p.Stop(ctx, t)
}

// TestP20_LargeInvalidRecords floods a server whose max_allowed_packet is 1 MiB, over the compressed protocol, with records as
// large as Kafka accepts: in their values, their keys, their headers. All become dead letters, and the good records
// among them are counted.
func TestP20_LargeInvalidRecords(t *testing.T) {
	const of, good = 8, 50
	ctx := etltest.Bounded(t, 2*time.Minute)
	s := newSite(t, mariadbtest.Args("--max-allowed-packet=1048576"))
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT status, COUNT(*) AS n FROM events GROUP BY status"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--dead-letter-max-bytes=8MiB", "--dead-letter-rate=0",
		"--mysql-dsn=" + mariadbtest.User + ":" + mariadbtest.Password + "@tcp(" + s.server.Addr() + ")/" + s.schema + "?compress=true"}
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1_000_000))
	defer cl.Close()
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	large := bytes.Repeat([]byte{0, '\'', 0xff, '\\', 'a'}, 190_000) // 950,000 bytes
	headers := make([]kgo.RecordHeader, 9000)
	for i := range headers {
		headers[i] = kgo.RecordHeader{Key: fmt.Sprint("header ", i), Value: large[:80]}
	}
	for id := range int32(6) {
		put(ctx, t, cl, id, good, statusLine(200))
		for range of {
			for _, r := range []*kgo.Record{{Value: large}, {Key: large, Value: []byte("junk")}, {Headers: headers, Value: []byte("junk")}, {Value: large[:500_000], Key: large[:400_000]}} {
				r.Topic, r.Partition = topic, id
				if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(ctx, t, cl, id, good, statusLine(200))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	if stored := s.compareBad(ctx, t, p, 6*of*4); stored != 6*of*4 {
		t.Errorf("%d dead letters are stored, expected all %d", stored, 6*of*4)
	}
	if n := readNumber(ctx, s.db, "SELECT n FROM seen WHERE status = 200"); n != 6*2*good {
		t.Errorf("%d good lines are counted, expected %d", n, 6*2*good)
	}
	for want, query := range map[int64]string{
		6 * of * 950_000: "SELECT SUM(value_length) FROM etl_dead_letter WHERE value_length = 950000",
		0:                "SELECT COUNT(*) FROM etl_dead_letter WHERE LENGTH(value) < LEAST(value_length, 450000) OR reason = ''",
		6 * of:           "SELECT COUNT(*) FROM etl_dead_letter WHERE value_length = 500000 AND LENGTH(value) = 500000",
	} {
		if n := readNumber(ctx, s.db, query); n != want {
			t.Errorf("%s: %d, expected %d", query, n, want)
		}
	}
	p.Stop(ctx, t)
}

// TestP18_LateRecordsAreDeadLetters sends records of one status whose windows are late, ahead and in time.
func TestP18_LateRecordsAreDeadLetters(t *testing.T) {
	ctx := etltest.Bounded(t, 2*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--max-lateness=2d", "--max-ahead=5m"}
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	p := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	const good, late, ahead = 30, 7, 5
	at := func(d time.Duration) []byte {
		return []byte("h - - [" + time.Now().Add(d).UTC().Format("02/Jan/2006:15:04:05 -0700") + `] "GET / HTTP/1.1" 200 1 "-" "-"`)
	}
	for id := range int32(6) {
		put(ctx, t, cl, id, good, at(-47*time.Hour))
		put(ctx, t, cl, id, late, at(-49*time.Hour))
		put(ctx, t, cl, id, ahead, at(time.Hour))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	if stored := s.compareBad(ctx, t, p, 6*(late+ahead)); stored != 6*(late+ahead) {
		t.Errorf("%d dead letters are stored, expected all %d", stored, 6*(late+ahead))
	}
	if n := readNumber(ctx, s.db, "SELECT SUM(n) FROM seen"); n != 6*good {
		t.Errorf("%d records are counted, expected %d", n, 6*good)
	}
	for option, want := range map[string]int64{"max-lateness": 6 * late, "max-ahead": 6 * ahead} {
		n := readNumber(ctx, s.db, "SELECT COUNT(*) FROM etl_dead_letter WHERE reason LIKE '%option ''"+option+"''%' AND detail LIKE '20__-__-__ __:__:__.______, 20__-__-__ __:__:__.______'")
		if n != want {
			t.Errorf("%d dead letters have the reason %s with both times in the detail, expected %d", n, option, want)
		}
	}
	p.Stop(ctx, t)
}
