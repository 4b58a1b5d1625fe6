//go:build integration

package flume

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// TestReal_KafkaValues records how Flume's Kafka sink and Kafka channel write four events.
func TestReal_KafkaValues(t *testing.T) {
	sets := []jvmtest.Set{jvmtest.FlumeKafka19, jvmtest.FlumeKafka111}
	jvmtest.Need(t, append(sets, jvmtest.Kafka)...)
	ctx := etltest.Bounded(t, 2*time.Minute)
	broker := jvmtest.StartBroker(t)
	kinds := []string{"sink, useFlumeEventFormat = false", "sink, useFlumeEventFormat = true", "channel, parseAsFlumeEvent = true"}
	bodies := []string{"hi", "", "café \"quoted\"", strings.Repeat("x", 300)}
	var text strings.Builder
	text.WriteString(`# The records that Flume's Kafka sink and Kafka channel made of four events (=, headers sorted): the value in hexadecimal
# (- is a value of no bytes), then the key. No record had headers of its own. Made by
#   go test -tags integration -run '^TestReal_KafkaValues$' ./integration/flume -rewrite
`)
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, set := range sets {
		topic := func(i int) string { return fmt.Sprintf("%s-%d", set, i) }
		for i := range kinds {
			if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, topic(i)); err != nil {
				t.Fatal(err)
			}
		}
		in := etltest.NewSpool(t)
		jvmtest.StartAgent(t, set, in.Properties(
			"sources=s", "channels=c0 c1 c2", "sinks=k0 k1",
			"sources.s.type=spooldir", "sources.s.spoolDir={dir}/in", "sources.s.channels=c0 c1 c2", "sources.s.pollDelay=100",
			"sources.s.basenameHeader=true",
			"sources.s.interceptors=i j", "sources.s.interceptors.i.type=static", "sources.s.interceptors.i.key=origin", "sources.s.interceptors.i.value=caf\\u00e9",
			"sources.s.interceptors.j.type=static", "sources.s.interceptors.j.key=key", "sources.s.interceptors.j.value=k1",
			"channels.c0.type=memory", "channels.c1.type=memory",
			"sinks.k0.type=org.apache.flume.sink.kafka.KafkaSink", "sinks.k0.channel=c0", "sinks.k0.kafka.topic="+topic(0), "sinks.k0.kafka.bootstrap.servers="+broker.Addr(),
			"sinks.k1.type=org.apache.flume.sink.kafka.KafkaSink", "sinks.k1.channel=c1", "sinks.k1.kafka.topic="+topic(1), "sinks.k1.kafka.bootstrap.servers="+broker.Addr(),
			"sinks.k1.useFlumeEventFormat=true",
			"channels.c2.type=org.apache.flume.channel.kafka.KafkaChannel", "channels.c2.kafka.topic="+topic(2), "channels.c2.kafka.bootstrap.servers="+broker.Addr(),
		))
		in.Put(t, "a.log", []byte(strings.Join(bodies, "\n")+"\n"))
		for i, kind := range kinds {
			reader, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic(i): {0: kgo.NewOffset().At(0)}}))
			if err != nil {
				t.Fatal(err)
			}
			var records []*kgo.Record
			for len(records) < len(bodies) && ctx.Err() == nil {
				records = append(records, reader.PollFetches(ctx).Records()...)
			}
			reader.Close()
			if len(records) != len(bodies) {
				t.Fatalf("%s, %s: %d records, expected %d", set, kind, len(records), len(bodies))
			}
			fmt.Fprintf(&text, "\n== %s, Kafka %s\n", set, kind)
			for n, r := range records {
				if len(r.Headers) != 0 {
					t.Errorf("%s, %s: headers %v, expected none", set, kind, r.Headers)
				}
				headers := `{"basename"="a.log","key"="k1","origin"="café"}`
				if i == 0 {
					headers = "{}"
				}
				fmt.Fprintf(&text, "%s %q\n= %s %q\n", valueHex(r.Value), r.Key, headers, bodies[n])
			}
		}
	}
	etltest.Golden(t, *rewrite, "../../query/testdata/flume-values.txt", text.String())
}

// valueHex returns a value as hexadecimal, "-" for an empty one and "null" for none.
func valueHex(v []byte) string {
	switch {
	case v == nil:
		return "null"
	case len(v) == 0:
		return "-"
	}
	return hex.EncodeToString(v)
}
