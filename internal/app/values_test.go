package app

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
)

// event returns an event; headers are names and values alternately.
func event(body string, headers ...string) receiver.Event {
	e := receiver.Event{Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		e.Headers = append(e.Headers, receiver.Header{Key: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	return e
}

// byHost counts events by their header host.
func byHost(t *testing.T, flumeValues bool) *query.Plan {
	t.Helper()
	opts := query.DefaultOptions()
	opts.Format, opts.FlumeValues = "raw", flumeValues
	plan, err := query.Compile("INSERT INTO hosts SELECT COALESCE(header('host'), '') AS host, TUMBLE(_event_time, INTERVAL 1 DAY) AS day, COUNT(*) AS n, MAX(body) AS body FROM events GROUP BY host, day", opts)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// rows returns a query's rows, with a space between the columns.
func rows(t *testing.T, dsn, text string) (lines []string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	found, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		columns, err := found.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, v := range values {
			line = append(line, v.String)
		}
		lines = append(lines, strings.Join(line, " "))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// Events that arrive over Avro are stored in Kafka as KafkaChannel writes them, and are counted by one of their
// headers. A value that a KafkaSink without useFlumeEventFormat wrote between them is a dead letter with that reason.
// With another encoding the job does not start.
func TestRun_flumeValues(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	k := broker(t)
	dsn := db.DSN(db.Database(t))
	cfg := config(t, k.ListenAddrs()[0], dsn)
	cfg.Kafka.Partitions, cfg.Kafka.KeyHeader = 1, "host"
	cfg.FlumeValues, cfg.Plan = true, byHost(t, true)
	p := start(t, cfg)
	err := p.dial(t).Append(t.Context(), []receiver.Event{
		event("hi", "host", "a"), event("yo"), event("ho", "timestamp", "1431857103250", "host", "a"), event("", "host", "b"), event("no", "host", "a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(cfg.Kafka.Topic), kgo.DefaultProduceTopic(cfg.Kafka.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	plain := &kgo.Record{Value: []byte("192.0.2.1 a plain line")}
	if err := client.ProduceSync(t.Context(), plain).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var kept []string
	for len(kept) < 6 {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			kept = append(kept, fmt.Sprintf("%s %x %d", r.Key, r.Value, len(r.Headers)))
		})
	}
	want := []string{
		"a 0208686f7374026100046869 0", " 0004796f 0",
		"a 0412" + hex.EncodeToString([]byte("timestamp")) + "1a" + hex.EncodeToString([]byte("1431857103250")) + "08686f737402610004686f 0",
		"b 0208686f737402620000 0", "a 0208686f73740261" + "00046e6f 0",
		fmt.Sprintf(" %x 0", plain.Value),
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("in Kafka: expected (-), got (+): key, value, headers\n%s", diff)
	}
	await(t, "all records have their fate", func() bool {
		_, body := p.get(t, "/api/v1/status")
		return strings.Contains(body, `"next_offset": 6`)
	})
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	got := rows(t, dsn, "SELECT host, IF(YEAR(day) = 2015, 'then', 'now') AS at, SUM(n), MAX(body) FROM hosts GROUP BY host, at ORDER BY host, at")
	if diff := cmp.Diff([]string{" now 1 yo", "a now 2 no", "a then 1 ho", "b now 1 "}, got); diff != "" {
		t.Errorf("counted: expected (-), got (+):\n%s", diff)
	}
	dead := rows(t, dsn, "SELECT record_offset, reason FROM etl_dead_letter")
	if len(dead) != 1 || !strings.Contains(dead[0], "did you mean option 'kafka-value' raw?") {
		t.Errorf("dead letters: %q; expected 1 element and dead[0] to contain %q", dead, "did you mean option 'kafka-value' raw?")
	}

	cfg.FlumeValues, cfg.Plan = false, byHost(t, false)
	if err := start(t, cfg).wantEnd(t); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "counted by another query") {
		t.Errorf("with raw values: got %v, expected a refusal", err)
	}
}

// P24: the limit applies to the size of the encoded event.
func TestP24_encodedSize(t *testing.T) {
	t.Parallel()
	k := broker(t)
	for topic, configs := range map[string]map[string]string{"logs": {"max.message.bytes": "2000"}, "logs.dlq": nil} {
		if err := k.CreateTopic(topic, 1, configs); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config(t, k.ListenAddrs()[0], "")
	cfg.Load, cfg.FlumeValues = false, true
	p := start(t, cfg)
	large := event("small", "h", strings.Repeat("x", 2000))
	if err := p.dial(t).Append(t.Context(), []receiver.Event{event("a"), large, event("b")}); err != nil {
		t.Fatal(err)
	}
	if n, dead := k.PartitionInfo("logs", 0).HighWatermark, k.PartitionInfo("logs.dlq", 0).HighWatermark; n != 2 || dead != 1 {
		t.Errorf("%d records and %d dead letters, expected 2 and 1", n, dead)
	}
}

// If there is no memory for the encoded events, nothing is produced, and the request is released once.
func TestAppender_noMemory(t *testing.T) {
	t.Parallel()
	released, none := 0, errors.New("no memory")
	err := appender{nil, unasked(), true}.Append(t.Context(), receiver.Request{
		Events:  []receiver.Event{event("hi", "host", "a")},
		Release: func() { released++ },
		Memory: func(n int) ([]byte, error) {
			if n != 12 {
				t.Errorf("%d bytes are required, expected 12", n)
			}
			return nil, none
		},
	})
	if !errors.Is(err, none) || !errors.Is(err, receiver.ErrNotProduced) || released != 1 {
		t.Errorf("got %v, released %d times; expected 1, %v and %v", err, released, none, receiver.ErrNotProduced)
	}
}

// BenchmarkAppend builds records of 1,000 events with three headers, up to the point where they would be passed to
// Kafka.
func BenchmarkAppend(b *testing.B) {
	const n = 1000
	es := make([]receiver.Event, n)
	for i := range es {
		es[i] = event(strings.Repeat("m", 200), "timestamp", fmt.Sprint(1431857103250+i), "host", fmt.Sprintf("web-%02d", i%20), "basename", "access.log")
	}
	p, ended := unconnected(b)
	for _, flumeValues := range []bool{false, true} {
		b.Run(fmt.Sprintf("flume=%v", flumeValues), func(b *testing.B) {
			a := appender{p, unasked(), flumeValues}
			memory, released, rounds := make([]byte, 0, 1<<20), 0, 0
			asked := 0
			r := receiver.Request{
				Events: es, Release: func() { released++ },
				Memory: func(n int) ([]byte, error) { asked = n; return memory, nil },
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Append(ended, r); !errors.Is(err, receiver.ErrNotProduced) {
					b.Fatalf("got %v, expected %v", err, receiver.ErrNotProduced)
				}
				rounds++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
			if released != rounds {
				b.Fatalf("released %d times in %d rounds", released, rounds)
			}
			if !flumeValues {
				return
			}
			at := 0
			for i := range es {
				e, next, bad := avrobin.ReadEvent(memory[:asked], at)
				if bad != "" || string(e.Body) != string(es[i].Body) || string(e.Headers.Get("timestamp")) != string(es[i].Headers[0].Value) {
					b.Fatalf("event %d: decoding got error %q at %d, expected the same event", i, bad, next)
				}
				at = next
			}
			if at != asked {
				b.Fatalf("%d bytes were written, %d asked for", at, asked)
			}
		})
	}
}

// Encoding costs no allocation for an event.
func TestAppender_allocatesNothingPerEvent(t *testing.T) {
	p, ended := unconnected(t)
	a := appender{p, unasked(), true}
	memory := make([]byte, 0, 1<<20)
	allocations := func(n int) float64 {
		es := make([]receiver.Event, n)
		for i := range es {
			es[i] = event("body", "host", "a", "id", "7")
		}
		r := receiver.Request{Events: es, Release: func() {}, Memory: func(int) ([]byte, error) { return memory, nil }}
		return testing.AllocsPerRun(100, func() { _ = a.Append(ended, r) })
	}
	allocations(5000) // the slabs grow
	if few, many := allocations(1), allocations(5000); many > few+5 {
		t.Errorf("%v allocations for one event, %v for 5,000, expected at most %v", few, many, few+5)
	}
}

// unconnected returns a producer that has not started, and a context that has ended: a request is prepared and dropped.
func unconnected(tb testing.TB) (*kafkaio.Producer, context.Context) {
	tb.Helper()
	p, err := kafkaio.NewProducer(kafkaio.DefaultConfig(), nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return p, ended
}
