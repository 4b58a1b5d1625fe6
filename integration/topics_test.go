//go:build integration

package integration

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

const (
	topicsQuery = "INSERT INTO hits SELECT COALESCE(_topic, '') AS topic, COALESCE(CAST(status AS SIGNED), 0) AS status, COUNT(*) AS n FROM events GROUP BY topic, status;\n" +
		"INSERT INTO newest SELECT COALESCE(CAST(status AS SIGNED), 0) AS status, COUNT(*) AS n, LAST(CONCAT(_topic, '/', _partition, '/', _offset)) AS at FROM events GROUP BY status"
	topicsSpec = "json, web=combined"
)

// twoTopics are records of the topics app, of JSON, and web, of the combined log format, and what must be counted of them.
type twoTopics struct {
	cl    *kgo.Client
	rnd   *rand.Rand
	want  map[string]string // rows of hits, by topic and status
	total map[string]int64  // records by topic
	dead  map[string]int64
	ids   map[string]checkpoint.TopicID
	last  map[string]topicRecord // by status
}

func newTwoTopics(ctx context.Context, t *testing.T, cl *kgo.Client, replicas int16) *twoTopics {
	t.Helper()
	ids := map[string]checkpoint.TopicID{}
	for topic, partitions := range map[string]int32{"app": 3, "web": 4} {
		created, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, replicas, nil, topic)
		if err != nil {
			t.Fatal(err)
		}
		ids[topic] = checkpoint.TopicID(created.ID)
	}
	return &twoTopics{
		cl: cl, rnd: rand.New(rand.NewPCG(seed(t), 7)), want: map[string]string{}, total: map[string]int64{}, dead: map[string]int64{},
		ids: ids, last: map[string]topicRecord{},
	}
}

// put produces n records to each topic. One in twenty is in no format.
func (s *twoTopics) put(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	var records []*kgo.Record
	for range n {
		for topic, partitions := range map[string]int{"app": 3, "web": 4} {
			status := 200 + s.rnd.IntN(30)
			line := fmt.Sprintf(`{"status":%d}`, status)
			if topic == "web" {
				line = fmt.Sprintf(`192.0.2.7 - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" %d 5120 "-" "curl/8.5.0"`, status)
			}
			s.total[topic]++
			known := fmt.Sprint(status)
			if s.rnd.IntN(20) == 0 {
				line, known = "nonsense", ""
				s.dead[topic]++
			} else {
				key := fmt.Sprintf("%s %d", topic, status)
				var count int64
				_, _ = fmt.Sscan(s.want[key], &count) // empty at first
				s.want[key] = fmt.Sprint(count + 1)
			}
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(s.rnd.IntN(partitions)), Key: []byte(known), Value: []byte(line)})
		}
	}
	for _, r := range s.cl.ProduceSync(ctx, records...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		status := string(r.Record.Key)
		is := topicRecord{r.Record, s.ids[r.Record.Topic]}
		if was, ok := s.last[status]; status != "" && (!ok || was.compare(is) < 0) {
			s.last[status] = is
		}
	}
}

// topicRecord is the last record of a status.
type topicRecord struct {
	*kgo.Record
	id checkpoint.TopicID
}

// compare orders records by time, topic ID, partition and offset.
func (l topicRecord) compare(o topicRecord) int {
	return cmp.Or(cmp.Compare(l.Timestamp.UnixMilli(), o.Timestamp.UnixMilli()), bytes.Compare(l.id[:], o.id[:]),
		cmp.Compare(l.Partition, o.Partition), cmp.Compare(l.Offset, o.Offset))
}

// compare waits until everything is counted, and compares rows, audits and dead letters of both topics.
func (s *twoTopics) compare(ctx context.Context, t *testing.T, at *site) {
	t.Helper()
	for topic, total := range s.total {
		etltest.Await(ctx, t, "topic "+topic+" is counted", func() bool {
			return readNumber(ctx, at.db, "SELECT SUM(next_offset - first_offset) FROM etl_checkpoint WHERE topic = '"+topic+"'") == total
		})
		if got := readNumber(ctx, at.db, "SELECT SUM(counted) FROM etl_checkpoint WHERE topic = '"+topic+"'"); got != total-s.dead[topic] {
			t.Errorf("%s: %d records are counted, expected %d", topic, got, total-s.dead[topic])
		}
		if got := readNumber(ctx, at.db, "SELECT SUM(records) FROM etl_dead_letter WHERE topic = '"+topic+"'"); got != s.dead[topic] {
			t.Errorf("%s: %d dead letters, expected %d", topic, got, s.dead[topic])
		}
	}
	if got := readTable(ctx, t, at.db, "SELECT topic, status, n FROM hits", 2); !maps.Equal(got, s.want) {
		t.Errorf("%d rows are %v, expected %d as in %v", len(got), first(got), len(s.want), first(s.want))
	}
	// Records of both topics are in one row of newest, and the last of them is the one with the highest time.
	sums, newest := map[string]string{}, map[string]string{}
	for key, n := range s.want {
		_, status, _ := strings.Cut(key, " ")
		var sum, more int64
		_, _ = fmt.Sscan(sums[status], &sum) // empty at first
		_, _ = fmt.Sscan(n, &more)
		sums[status] = fmt.Sprint(sum + more)
	}
	if got := readTable(ctx, t, at.db, "SELECT status, n FROM newest", 1); !maps.Equal(got, sums) {
		t.Errorf("rows of both topics are %v, expected %v", first(got), first(sums))
	}
	for status, l := range s.last {
		newest[status] = fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset)
	}
	if got := readTable(ctx, t, at.db, "SELECT status, at FROM newest", 1); !maps.Equal(got, newest) {
		t.Errorf("the last records are %v, expected %v", first(got), first(newest))
	}
	if n := readNumber(ctx, at.db, "SELECT COUNT(*) FROM etl_checkpoint WHERE next_offset - first_offset <> counted + filtered + dead + gaps + duplicates + skipped"); n != 0 {
		t.Errorf("the audit of %d partitions does not balance", n)
	}
}

// TestTopics_KilledAtEveryFailpoint loads two topics of different formats in one job. etl is killed at each failpoint, one
// after another, and the proxy cuts off every 10th COMMIT or drops its reply. Each record is counted once, by the format of
// its topic.
func TestTopics_KilledAtEveryFailpoint(t *testing.T) {
	ctx := etltest.Bounded(t, 5*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte(topicsQuery), 0o600); err != nil {
		t.Fatal(err)
	}
	s.topics, s.every = "app,web", []string{"--format=" + topicsSpec, "--max-batch-records=300"}
	s.proxy.Commits(tenthCommit(seed(t)))
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	two := newTwoTopics(ctx, t, cl, 1)
	points := []string{
		failpoint.ClaimOpen, failpoint.ClaimDone, failpoint.Polled, failpoint.Folded, failpoint.Fenced, failpoint.Upserting,
		failpoint.BeforeCommit, failpoint.CommitWritten, failpoint.CommitDone, failpoint.BeforeMirror,
	}
	two.rnd.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	for _, point := range points {
		two.put(ctx, t, 1000)
		hits := 2 // both topics claim
		if !strings.HasPrefix(point, "T") {
			hits = 1 + two.rnd.IntN(4)
		}
		p := s.start(t, "load", fmt.Sprintf("%s:kill:%d", point, hits))
		p.AwaitKilled(ctx, t)
		t.Logf("%s:%d: %d records counted by then", point, hits, s.counted(ctx))
	}
	one, other := s.start(t, "load", ""), s.start(t, "load", "")
	two.put(ctx, t, 1000)
	two.compare(ctx, t, s)
	one.Kill(t)
	two.put(ctx, t, 100)
	two.compare(ctx, t, s)
	if got, want := readNumber(ctx, s.db, "SELECT COUNT(DISTINCT query_hash) FROM etl_checkpoint"), int64(2); got != want {
		t.Errorf("%d fingerprints, expected %d, one for each format", got, want)
	}
	other.Stop(ctx, t)
}

// TestReal_Topics loads two topics from a real Kafka in one job: with two processes, whose members of the group have
// different subscriptions, with one that is killed, and over a restart of Kafka. Then one topic is recreated: it stops, and
// the other one is loaded on.
func TestReal_Topics(t *testing.T) {
	ctx := etltest.Bounded(t, 4*time.Minute)
	kafka := jvmtest.StartBroker(t)
	s := newSiteOn(t, &broker{addr: kafka.Addr()})
	if err := os.WriteFile(s.query, []byte(topicsQuery), 0o600); err != nil {
		t.Fatal(err)
	}
	s.topics, s.every = "app,web", []string{"--format=" + topicsSpec, "--max-batch-records=300", "--kafka-lag-interval=200ms"}
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	defer cl.Close()
	two := newTwoTopics(ctx, t, cl, 1)
	two.put(ctx, t, 1000)
	one := s.start(t, "load", "")
	two.compare(ctx, t, s)
	other := s.start(t, "load", "")
	etltest.Await(ctx, t, "each process has a member for each topic", func() bool { return s.members(ctx, t) == 4 })
	for _, p := range []*etltest.Process{one, other} {
		etltest.Await(ctx, t, "a process owns partitions of both topics", func() bool {
			return metric(ctx, p, `etl_consume_owned_partitions{topic="app"}`) > 0 && metric(ctx, p, `etl_consume_owned_partitions{topic="web"}`) > 0
		})
	}
	two.put(ctx, t, 1000)
	one.Kill(t)
	two.put(ctx, t, 500)
	two.compare(ctx, t, s)
	if err := kafka.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := kafka.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	two.put(ctx, t, 500)
	two.compare(ctx, t, s)

	adm := kadm.NewClient(cl)
	if _, err := adm.DeleteTopic(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "the topic is recreated", func() bool {
		_, err := adm.CreateTopic(ctx, 4, 1, nil, "web")
		return err == nil
	})
	etltest.Await(ctx, t, "the partitions of web have stopped", func() bool { return metric(ctx, other, `etl_batch_stopped_partitions_total{topic="web"}`) >= 4 })
	record := &kgo.Record{Topic: "app", Partition: 1, Value: []byte(`{"status":777}`)}
	if err := cl.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "app is loaded on", func() bool {
		return readNumber(ctx, s.db, "SELECT COALESCE(SUM(n), 0) FROM hits WHERE topic = 'app' AND status = 777") == 1
	})
	if n := metric(ctx, other, `etl_batch_stopped_partitions_total{topic="app"}`); n != 0 {
		t.Errorf("%v partitions of app have stopped, expected none", n)
	}
	other.Stop(ctx, t)
}
