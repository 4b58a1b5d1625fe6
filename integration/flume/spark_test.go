//go:build integration

package flume

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

const sparkPatience = 30 * time.Second

// sparkAgent starts an agent with a memory channel and a SparkSink; more are additional properties. It returns the
// spool and the sink's address.
func sparkAgent(t *testing.T, more ...string) (etltest.Spool, string) {
	t.Helper()
	in, addr := etltest.NewSpool(t), etltest.FreeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	jvmtest.StartAgent(t, jvmtest.FlumeSpark, in.Properties(append([]string{
		"sources=s", "channels=c", "sinks=k",
		"sources.s.type=spooldir", "sources.s.spoolDir={dir}/in", "sources.s.channels=c", "sources.s.pollDelay=50",
		"sources.s.basenameHeader=true", "sources.s.deserializer.maxLineLength=20000",
		"channels.c.type=memory", "channels.c.keep-alive=0", // else a batch that is not full waits 3 s more
		"sinks.k.type=org.apache.spark.streaming.flume.sink.SparkSink", "sinks.k.channel=c",
		"sinks.k.hostname=" + host, "sinks.k.port=" + port, "sinks.k.backoffInterval=50",
	}, more...)...))
	return in, addr
}

// TestReal_SparkBytes records the traffic of a real SparkSink and a poller: a batch with nack, one with ack, and one
// that is larger than the channel's transactions.
func TestReal_SparkBytes(t *testing.T) {
	jvmtest.Need(t, jvmtest.FlumeSpark)
	in, addr := sparkAgent(t, "channels.c.transactionCapacity=10", "channels.c.capacity=1000", "sources.s.batchSize=10",
		"sources.s.interceptors=i", "sources.s.interceptors.i.type=static", "sources.s.interceptors.i.key=origin", "sources.s.interceptors.i.value=caf\\u00e9")
	p := poll(t, addr)
	in.Put(t, "first.log", []byte("hi\n\ncafé \"quoted\"\n"+strings.Repeat("x", 9000)+"\n"))
	first := p.get(10, sparkPatience)
	t.Logf("the sequence number is %s", first.sequence)
	const of = "{basename=first.log,origin=café}"
	want := []string{"hi" + of, of, "café \"quoted\"" + of, strings.Repeat("x", 9000) + of}
	if diff := cmp.Diff(want, first.events); diff != "" || p.match != 0 {
		t.Errorf("match %d, events (-expected +got):\n%s", p.match, diff)
	}
	p.settle("nack", first.sequence)
	again := p.get(10, sparkPatience)
	if diff := cmp.Diff(want, again.events); diff != "" || again.sequence == first.sequence {
		t.Errorf("sequence %s after %s, events after nack (-expected +got):\n%s", again.sequence, first.sequence, diff)
	}
	p.settle("ack", again.sequence)
	in.Put(t, "second.log", []byte("yo\n"))
	last := p.get(10, sparkPatience)
	p.settle("ack", last.sequence)

	in.Put(t, "third.log", []byte(strings.Repeat("z\n", 20)))
	await := etltest.Bounded(t, time.Minute)
	etltest.Await(await, t, "the third file", func() bool { return in.Completed(t) == 3 })
	q := poll(t, addr)
	tooMany := q.get(11, sparkPatience)
	if !strings.Contains(tooMany.errorMsg, "capacity 10 full") || len(tooMany.events) != 0 || tooMany.sequence != "" {
		t.Errorf("more than a transaction holds: %+v; expected errorMsg to contain %q, events with no elements and sequence an empty text", tooMany, "capacity 10 full")
	}
	t.Logf("more than a transaction holds: %q", tooMany.errorMsg)
	etltest.Golden(t, *rewrite, "../../flumesink/spark/testdata/sparksink-2.4.8.txt", fmt.Sprintf(`# What a poller (>) and a SparkSink 2.4.8 in a Flume agent 1.9.0 with Avro 1.8.2 (<) sent, each on one connection. The
# eight letters that the sink generates for its sequence numbers are AbCdEfGh here. 78*9000 is the byte 78, 9,000 times.
# Made by
#   go test -tags integration -run '^TestReal_SparkBytes$' ./integration/flume -rewrite

== getEventBatch, nack, getEventBatch, ack, getEventBatch, ack
%s
== getEventBatch of more than the channel's transactionCapacity
%s`, p.text(first.sequence), q.talk.Text()))
}

// TestReal_SparkSink tests undocumented behaviour of the sink on which a poller relies.
func TestReal_SparkSink(t *testing.T) {
	jvmtest.Need(t, jvmtest.FlumeSpark)
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a waiting call blocks other connections", sparkBlocks},
		{"an error batch keeps its thread for the timeout", sparkErrorBatch},
		{"a poller that went away keeps the next events for the timeout", sparkZombie},
		{"an ack that is too late is answered as any other", sparkLateAck},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t)
		})
	}
}

// The sink replies on Netty's I/O threads, two for each core: connections that share the thread of a waiting call get
// no reply, not even to an ack, until there is an event.
func sparkBlocks(t *testing.T) {
	in, addr := sparkAgent(t)
	waiting := poll(t, addr)
	waiting.send("getEventBatch", avrobin.AppendLong(nil, 10))
	if b, err := waiting.batch(time.Second); err == nil {
		t.Fatalf("got %+v from an empty channel, expected no reply within a second", b)
	}
	const others = 16
	blocked := 0
	var silent []*poller
	for range others {
		p := poll(t, addr)
		p.send("ack", avrobin.AppendBytes(nil, "unknown"))
		if _, err := p.receive(2 * time.Second); err != nil {
			blocked++
			silent = append(silent, p)
		}
	}
	t.Logf("%d of %d other connections get no reply while one waits", blocked, others)
	if blocked == 0 || blocked == others {
		t.Errorf("%d of %d other connections are blocked, expected some", blocked, others)
	}
	in.Put(t, "a.log", []byte("hi\n"))
	b, err := waiting.batch(sparkPatience)
	if err != nil || len(b.events) != 1 {
		t.Fatalf("the batch that was waited for: %+v, %v; expected events with 1 element and no error", b, err)
	}
	for _, p := range silent {
		if _, err := p.receive(sparkPatience); err != nil {
			t.Errorf("a connection that was blocked: %v", err)
		}
	}
}

// After an error batch the sink's thread waits for an ack that cannot arrive.
func sparkErrorBatch(t *testing.T) {
	in, addr := sparkAgent(t, "channels.c.transactionCapacity=10", "channels.c.capacity=1000", "sources.s.batchSize=10",
		"sinks.k.threads=1", "sinks.k.timeout=4")
	in.Put(t, "a.log", []byte(strings.Repeat("z\n", 20)))
	etltest.Await(etltest.Bounded(t, time.Minute), t, "the file", func() bool { return in.Completed(t) == 1 })
	p := poll(t, addr)
	for range 2 { // the second as the first: it never gets better
		if b := p.get(20, sparkPatience); b.errorMsg == "" {
			t.Fatalf("more than a transaction holds: %+v, expected errorMsg other than an empty text", b)
		}
	}
	began := time.Now()
	b := p.get(10, sparkPatience)
	took := time.Since(began)
	t.Logf("with one thread and a timeout of 4 s, a batch of %d after an error batch took %v", len(b.events), took)
	if len(b.events) != 10 || took < 2*time.Second {
		t.Errorf("%d events after %v, expected 10 after about the timeout", len(b.events), took)
	}
	p.settle("ack", b.sequence)
}

// A waiting call does not learn that its connection is closed: it takes the next events, and rolls them back after the
// timeout.
func sparkZombie(t *testing.T) {
	in, addr := sparkAgent(t, "sinks.k.timeout=4")
	gone := poll(t, addr)
	gone.send("getEventBatch", avrobin.AppendLong(nil, 10))
	if b, err := gone.batch(time.Second); err == nil {
		t.Fatalf("got %+v from an empty channel, expected no reply within a second", b)
	}
	_ = gone.conn.Close()
	in.Put(t, "a.log", []byte("one\ntwo\n"))
	etltest.Await(etltest.Bounded(t, time.Minute), t, "the file", func() bool { return in.Completed(t) == 1 })
	etltest.Within(time.Second, func() bool { return false }) // the call that still waits looks every 50 ms
	began := time.Now()
	p := poll(t, addr)
	b := p.get(10, sparkPatience)
	took := time.Since(began)
	t.Logf("with a timeout of 4 s, %d events for a disconnected poller came back after %v", len(b.events), took)
	if len(b.events) != 2 || took < 2*time.Second {
		t.Errorf("%d events after %v, expected 2 after about the timeout", len(b.events), took)
	}
	p.settle("ack", b.sequence)
}

// The reply to an ack proves nothing: the events of the first batch are sent again, although its late ack gets a reply.
func sparkLateAck(t *testing.T) {
	in, addr := sparkAgent(t, "sinks.k.timeout=1")
	in.Put(t, "a.log", []byte("one\ntwo\n"))
	late, p := poll(t, addr), poll(t, addr)
	first := late.get(10, sparkPatience)
	again := p.get(10, sparkPatience) // answered when the first one's time is over
	if diff := cmp.Diff(first.events, again.events); diff != "" {
		t.Errorf("events after the timeout (-first +again):\n%s", diff)
	}
	late.settle("ack", first.sequence)
	p.settle("ack", again.sequence)
}
