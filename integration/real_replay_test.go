//go:build integration

package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// replayed are committed records of the topic, with the times and offsets that Kafka gave them.
type replayed struct {
	cl, txn *kgo.Client
	rnd     *rand.Rand
	records []*kgo.Record
}

// put produces n records to each partition, the first at that time, in batches of up to four. One batch in eight is of a
// transaction that is aborted, and leaves a gap.
func (r *replayed) put(ctx context.Context, t *testing.T, n int, at time.Time) {
	t.Helper()
	for left := n; left > 0; {
		size := min(left, 1+r.rnd.IntN(4))
		var batch []*kgo.Record
		for partition := range int32(6) {
			for i := range size {
				line := fmt.Sprintf(`10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET /%d HTTP/1.1" 200 %d "-" "-"`, r.rnd.IntN(9), 1+r.rnd.IntN(1<<40))
				batch = append(batch, &kgo.Record{Topic: topic, Partition: partition, Timestamp: at.Add(time.Duration(i) * time.Millisecond), Value: []byte(line)})
			}
		}
		at = at.Add(time.Duration(size) * time.Millisecond)
		if r.rnd.IntN(8) == 0 {
			r.abort(ctx, t, batch)
			continue
		}
		if err := r.cl.ProduceSync(ctx, batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		r.records = append(r.records, batch...)
		left -= size
	}
}

func (r *replayed) abort(ctx context.Context, t *testing.T, batch []*kgo.Record) {
	t.Helper()
	if err := r.txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := r.txn.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := r.txn.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}

// read replaces the records by what a consumer reads: with their offsets, and with the times that the topic has for them.
func (r *replayed) read(ctx context.Context, t *testing.T, b *broker) {
	t.Helper()
	cl := b.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer cl.Close()
	var got []*kgo.Record
	for len(got) < len(r.records) {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	slices.SortFunc(got, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	r.records = got
}

// rows returns the rows of the records of a stretch: of each partition from the first record at or after from to before the
// first at or after to. A zero time is no limit.
func (r *replayed) rows(from, to time.Time) map[string]string {
	type sum struct{ n, bytes int64 }
	byPath, began, ended := map[string]sum{}, map[int32]bool{}, map[int32]bool{}
	for _, record := range r.records {
		p, at := record.Partition, record.Timestamp.UnixMilli()
		began[p] = began[p] || at >= from.UnixMilli()
		ended[p] = ended[p] || !to.IsZero() && at >= to.UnixMilli()
		if !began[p] || ended[p] {
			continue
		}
		request := strings.Fields(string(record.Value))
		var bytes int64
		_, _ = fmt.Sscan(request[9], &bytes) // written by put
		s := byPath[request[6]]
		byPath[request[6]] = sum{s.n + 1, s.bytes + bytes}
	}
	out := map[string]string{}
	for path, s := range byPath {
		out[path] = fmt.Sprintf("%d %d", s.n, s.bytes)
	}
	return out
}

// TestReal_Replay replays stretches of a topic of a real Kafka beside its job: between exact times, with the gaps that
// aborted transactions leave, by the times of producers and of the broker, and after records were deleted. A replay takes the
// place of the table while records arrive.
func TestReal_Replay(t *testing.T) {
	ctx := etltest.Bounded(t, 4*time.Minute)
	kafka := jvmtest.StartBroker(t)
	s := newSiteOn(t, &broker{addr: kafka.Addr()})
	if err := os.WriteFile(s.query, []byte("INSERT INTO pages SELECT path, COUNT(*) AS n, SUM(bytes) AS bytes FROM events GROUP BY path"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--recheck=1s"}
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	defer cl.Close()
	txn := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("aborted"))
	defer txn.Close()
	adm := kadm.NewClient(cl)
	producers, brokers := "CreateTime", "LogAppendTime"
	if _, err := adm.CreateTopic(ctx, 6, 1, map[string]*string{"message.timestamp.type": &producers}, topic); err != nil {
		t.Fatal(err)
	}
	live := s.start(t, "load", "")
	r := &replayed{cl: cl, txn: txn, rnd: rand.New(rand.NewPCG(seed(t), 3))}
	table := func(name string) map[string]string {
		return readTable(ctx, t, s.db, "SELECT path, n, bytes FROM "+name, 1)
	}
	text := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
	replays := 0
	// replay counts a stretch into a table of its own.
	replay := func(what string, from, to time.Time) {
		t.Helper()
		replays++
		into := fmt.Sprint("replay_", replays)
		options := []string{"--from=" + text(from), "--into=" + into}
		if !to.IsZero() {
			options = append(options, "--to="+text(to))
		}
		r.read(ctx, t, s.broker)
		want := r.rows(from, to)
		if len(want) == 0 {
			t.Fatalf("%s: no record of the test is within %v and %v", what, from, to)
		}
		if out, err := s.replay(ctx, "", options...); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		if got := table(into); !maps.Equal(got, want) {
			t.Errorf("%s: the rows are %v, expected %v", what, got, want)
		}
	}
	kept := func(record *kgo.Record) time.Time { return time.UnixMilli(record.Timestamp.UnixMilli()) }

	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	r.put(ctx, t, 400, begin)
	for range 3 {
		from := begin.Add(time.Duration(50+r.rnd.IntN(100)) * time.Millisecond)
		replay("times of producers", from, from.Add(time.Duration(1+r.rnd.IntN(150))*time.Millisecond))
	}
	replay("from the first record", begin, begin.Add(time.Millisecond))
	replay("to the end", begin.Add(390*time.Millisecond), time.Time{})

	// From here on the broker's clock sets the times. Batches have one time each.
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &brokers}}
	if altered, err := adm.AlterTopicConfigs(ctx, set, topic); err != nil || altered[0].Err != nil {
		t.Fatal(err, altered)
	}
	r.put(ctx, t, 100, begin)
	r.read(ctx, t, s.broker)
	times := []time.Time{}
	for _, record := range r.records {
		if at := kept(record); at.After(begin.Add(time.Minute)) {
			times = append(times, at)
		}
	}
	if len(times) < 500 {
		t.Fatalf("%d records have the broker's time, expected about 600", len(times))
	}
	slices.SortFunc(times, time.Time.Compare)
	replay("times of the broker", times[len(times)/3], times[len(times)-1])
	replay("from the last time on", times[len(times)-1], time.Time{})

	// A replay takes the place of the job's table, whose rows are wrong, while records arrive.
	etltest.Await(ctx, t, "the job has counted everything", func() bool { return s.drained(ctx, t) })
	if got, want := table("pages"), r.rows(time.Time{}, time.Time{}); !maps.Equal(got, want) {
		t.Fatalf("the job's rows are %v, expected %v", got, want)
	}
	if _, err := s.db.ExecContext(ctx, "UPDATE pages SET n = n + 1000000"); err != nil {
		t.Fatal(err)
	}
	swapped := make(chan error, 1)
	var output string
	go func() {
		var err error
		output, err = s.replay(ctx, "", "--from=earliest", "--into=pages_again", "--swap")
		swapped <- err
	}()
	arrived := 0
	for done := false; !done; {
		select {
		case err := <-swapped:
			if err != nil {
				t.Fatalf("the swap: %v\n%s", err, output)
			}
			done = true
		default:
			r.put(ctx, t, 5, time.Now())
			arrived++
		}
	}
	r.put(ctx, t, 5, time.Now())
	etltest.Await(ctx, t, "the job has counted what came after the swap", func() bool { return s.drained(ctx, t) })
	if got, want := table("pages"), r.rows(time.Time{}, time.Time{}); !maps.Equal(got, want) {
		t.Errorf("after the swap the rows are %v, expected %v", got, want)
	}
	t.Logf("%d records to each partition arrived during the swap", 5*arrived)

	// Retention has passed a part. A replay of it is refused, and says from which time on all records are left.
	var firstLeft *kgo.Record
	for _, record := range r.records {
		if record.Partition == 2 && record.Offset >= 150 {
			firstLeft = record
			break
		}
	}
	var deleted kadm.Offsets
	deleted.AddOffset(topic, 2, firstLeft.Offset, -1)
	if response, err := adm.DeleteRecords(ctx, deleted); err != nil || response.Error() != nil {
		t.Fatal(err, response.Error())
	}
	r.records = slices.DeleteFunc(r.records, func(record *kgo.Record) bool { return record.Partition == 2 && record.Offset < firstLeft.Offset })
	out, err := s.replay(ctx, "", "--from="+text(begin), "--into=refused")
	var exit *exec.ExitError
	if want := "begin after " + text(kept(firstLeft)); !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(out, want) {
		t.Errorf("a stretch with deleted records: %v, expected exit code 3 and %q\n%s", err, want, out)
	}
	replay("after the deleted records", kept(firstLeft).Add(time.Millisecond), begin.Add(390*time.Millisecond))
	live.Stop(ctx, t)
}
