//go:build integration

package integration

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

const outageQuery = `INSERT INTO seen SELECT _body AS body, COUNT(*) AS times FROM events GROUP BY body`

// TestReal_OutageAddsOneDuplicate kills Kafka while a Flume agent sends, until the agent's request has timed out and
// the agent has retried it: in the end Kafka holds every event, and duplicates at most of the one request that the
// producer held when the outage began (P23). The documented limit on duplicates holds.
func TestReal_OutageAddsOneDuplicate(t *testing.T) {
	const version, events, batch = jvmtest.Flume111, 30_000, 100
	jvmtest.Need(t, version, jvmtest.Kafka)
	ctx := etltest.Bounded(t, 3*time.Minute)
	kafka, server := startServers(t)
	s := newFlumeSite(t, "outage", kafka, server)
	etl := s.start(t, "raw", outageQuery, "--ack-timeout=2s")
	etltest.Await(ctx, t, "etl is ready", func() bool { return etl.Ready(ctx) })
	host, port, _ := net.SplitHostPort(s.avro)
	agent := jvmtest.StartAgent(t, version, etltest.NewSpool(t).Properties(
		"sources=s", "channels=c", "sinks=k",
		"sources.s.type=seq", "sources.s.channels=c", "sources.s.totalEvents="+strconv.Itoa(events), "sources.s.batchSize=100",
		"channels.c.type=memory", "channels.c.capacity=50000", "channels.c.transactionCapacity=1000",
		"sinks.k.type=avro", "sinks.k.channel=c", "sinks.k.hostname="+host, "sinks.k.port="+port,
		"sinks.k.batch-size="+strconv.Itoa(batch),
	))
	ok := func() float64 { return metric(ctx, etl, `etl_receiver_requests_total{outcome="ok"`) }
	unanswered := func() float64 { return metric(ctx, etl, "etl_receiver_unanswered_events_total") }
	for outage := range 2 {
		at, before := ok(), unanswered()
		etltest.Await(ctx, t, "some requests are answered", func() bool { return ok() > at+20 })
		if err := kafka.Kill(); err != nil {
			t.Fatal(err)
		}
		etltest.Await(ctx, t, "a request is dropped unanswered", func() bool { return unanswered() > before })
		connected := metric(ctx, etl, "etl_receiver_connections_total")
		etltest.Await(ctx, t, "the agent has come again", func() bool { return metric(ctx, etl, "etl_receiver_connections_total") > connected })
		if err := kafka.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("outage %d: %v requests got OK before, %v events are unanswered", outage, ok(), unanswered())
	}
	etltest.Await(ctx, t, "the agent has sent everything", func() bool {
		counters, err := agent.Counters(ctx)
		sent, _ := strconv.Atoi(counters["SINK.k"]["EventDrainSuccessCount"])
		return err == nil && sent == events
	})
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })

	in := map[string]string{}
	times := map[string]int{}
	total := 0
	for _, r := range kafka.readTopic(ctx, t, s.topic) {
		times[string(r.Value)]++
		total++
	}
	for body, n := range times {
		in[body] = strconv.Itoa(n)
	}
	for n := range events {
		if times[strconv.Itoa(n)] == 0 {
			t.Errorf("event %d was sent by the agent and is not in Kafka", n)
		}
	}
	copies := total - events
	t.Logf("%d events, %d records, %d duplicates, %v events unanswered", events, total, copies, unanswered())
	if copies > 2*batch || float64(copies) > unanswered() {
		t.Errorf("%d duplicates of two outages: expected at most %d, and at most the %v that were counted as unanswered", copies, 2*batch, unanswered())
	}
	if diff := cmp.Diff(in, readTable(ctx, t, s.db, "SELECT body, times FROM seen", 1)); diff != "" {
		t.Errorf("seen against the topic (-expected +got):\n%.2000s", diff)
	}
	etl.Stop(ctx, t)
}

// metric returns the sum of the process's series whose lines begin with begins, or 0 if there is no reply.
func metric(ctx context.Context, p *etltest.Process, begins string) (sum float64) {
	for line := range strings.Lines(p.Metrics(ctx)) {
		if strings.HasPrefix(line, begins) {
			_, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				continue
			}
			sum += n
		}
	}
	return sum
}
