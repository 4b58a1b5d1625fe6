//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// thriftLines is how many lines a file has in TestReal_FlumeThrift.
const thriftLines = 2_000

// TestReal_FlumeThrift has the Thrift sinks of real agents, one compact and one binary, push files to one port of an
// etl ingest that receives by nothing else and is killed on the way: every line is in Kafka, with its headers.
func TestReal_FlumeThrift(t *testing.T) {
	jvmtest.Need(t, append(flumeVersions, jvmtest.Kafka)...)
	kafka := &realKafka{Broker: jvmtest.StartBroker(t)}
	t.Run("versions", func(t *testing.T) {
		for _, version := range flumeVersions {
			t.Run(string(version), func(t *testing.T) {
				t.Parallel()
				flumeThrift(t, kafka, version)
			})
		}
	})
}

func flumeThrift(t *testing.T, kafka *realKafka, version jvmtest.Set) {
	ctx := bounded(t, 3*time.Minute)
	dir, topic, addr := t.TempDir(), "thrift-"+string(version), freeAddr(t)
	start := func() *process {
		p := startETL(t, dir, "", "ingest", "--kafka-brokers="+kafka.Addr(), "--kafka-topic="+topic, "--kafka-partitions=2",
			"--avro-listen=", "--thrift-listen="+addr)
		await(ctx, t, "etl is ready", func() bool { return p.ready(ctx) })
		return p
	}
	etl := start()

	host, port, _ := net.SplitHostPort(addr)
	sinks := []string{"compact", "binary"}
	spools := []spool{newSpool(t), newSpool(t)}
	lines := []string{"sources=s0 s1", "channels=c0 c1", "sinks=k0 k1"}
	for i, in := range spools {
		n := strconv.Itoa(i)
		lines = append(lines,
			"sources.s"+n+".type=spooldir", "sources.s"+n+".channels=c"+n, "sources.s"+n+".spoolDir="+in.in(),
			"sources.s"+n+".basenameHeader=true", "sources.s"+n+".interceptors=i", "sources.s"+n+".interceptors.i.type=static",
			"sources.s"+n+".interceptors.i.key=sink", "sources.s"+n+".interceptors.i.value="+sinks[i],
			"channels.c"+n+".type=memory", "channels.c"+n+".capacity=20000", "channels.c"+n+".transactionCapacity=1000",
			"sinks.k"+n+".type=thrift", "sinks.k"+n+".channel=c"+n, "sinks.k"+n+".hostname="+host, "sinks.k"+n+".port="+port,
			"sinks.k"+n+".protocol="+sinks[i], "sinks.k"+n+".batch-size=100")
	}
	agent := jvmtest.StartAgent(t, version, spools[0].properties(lines...))
	put := func(file int) {
		for _, in := range spools {
			var text strings.Builder
			for n := range thriftLines {
				fmt.Fprintf(&text, "%d: café %s\n", n, strings.Repeat("x", n%300))
			}
			in.put(t, fmt.Sprintf("%d.log", file), []byte(text.String()))
		}
	}
	sent := func(least int) func() bool {
		return func() bool {
			counters, err := agent.Counters(ctx)
			for _, sink := range []string{"SINK.k0", "SINK.k1"} {
				n, _ := strconv.Atoi(counters[sink]["EventDrainSuccessCount"])
				if err != nil || n < least {
					return false
				}
			}
			return true
		}
	}
	const files = 3
	put(0)
	await(ctx, t, "both sinks have sent something", sent(100))
	etl.kill(t)
	for file := 1; file < files; file++ {
		put(file)
	}
	etl = start()
	await(ctx, t, "both sinks have sent everything", sent(files*thriftLines))
	kafka.compareThrift(ctx, t, topic, sinks, files)
	etl.stop(ctx, t)
}

// compareThrift holds the topic against what the agents read: every line of every file by each sink, and nothing else.
func (r *realKafka) compareThrift(ctx context.Context, t *testing.T, topic string, sinks []string, files int) {
	t.Helper()
	got := map[string]int{}
	records := r.readTopic(ctx, t, topic)
	for _, record := range records {
		headers := map[string]string{}
		for _, h := range record.Headers {
			headers[h.Key] = string(h.Value)
		}
		number, text, _ := strings.Cut(string(record.Value), ": ")
		n, err := strconv.Atoi(number)
		if err != nil || text != "café "+strings.Repeat("x", n%300) {
			t.Fatalf("the topic holds a line that no agent read: %q", record.Value)
		}
		sink, file := headers["sink"], headers["basename"]
		if diff := cmp.Diff(map[string]string{"sink": sink, "basename": file}, headers); diff != "" {
			t.Fatalf("headers (-want +got):\n%s", diff)
		}
		got[fmt.Sprintf("%s %s %d", sink, file, n)] = 1
	}
	want := map[string]int{}
	for _, sink := range sinks {
		for file := range files {
			for n := range thriftLines {
				want[fmt.Sprintf("%s %d.log %d", sink, file, n)] = 1
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("lines (-want +got):\n%s", cmp.Diff(want, got))
	}
	t.Logf("%d lines, %d copies of some", len(want), len(records)-len(want))
}
