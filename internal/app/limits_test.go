package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver"
)

// An Avro batch of valid, invalid and valid events is acknowledged. The valid ones are in the topic, and the invalid
// one is in the dead-letter topic with its reason, its length and its hash, in both value formats.
func TestP24_eventAboveALimitDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"bodies", "Flume's events"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			k := broker(t)
			cfg := config(t, k.ListenAddrs()[0], "")
			cfg.Load, cfg.Kafka.Partitions = false, 1
			cfg.FlumeValues = format != "bodies"
			p := start(t, cfg)
			c, err := avroclient.Dial(t.Context(), avroclient.DefaultConfig(p.at.Receivers["avro"].String()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			bad := receivertest.EventsAboveLimits()
			for _, label := range []string{receiver.ReasonHeaders, receiver.ReasonHeaderBytes, receiver.ReasonBodyBytes} {
				if err := c.Append(t.Context(), []receiver.Event{{Body: []byte("before " + label)}, bad[label], {Body: []byte("after " + label)}}); err != nil {
					t.Fatalf("%s: %v", label, err)
				}
			}
			good := records(t, k, cfg.Kafka.Topic, "", 6)
			for i, v := range good {
				good[i] = v[strings.IndexAny(v, "ba"):] // Flume's events begin with two more bytes
			}
			if d := cmp.Diff([]string{"before headers", "after headers", "before header_bytes", "after header_bytes", "before body_bytes", "after body_bytes"}, good); d != "" {
				t.Error(d)
			}
			want := []map[string]string{
				{kafkaio.HeaderReason: "the event has more headers than option 'avro.max-headers'", kafkaio.HeaderLength: "3", kafkaio.HeaderDropped: "44"},
				{kafkaio.HeaderReason: "the event's headers have more bytes than option 'avro.max-header-bytes'", kafkaio.HeaderLength: "3", kafkaio.HeaderDropped: "2"},
				{kafkaio.HeaderReason: "the event's body has more bytes than option 'avro.max-body-bytes'", kafkaio.HeaderLength: "16777218", kafkaio.HeaderDropped: "0"},
			}
			for i, label := range []string{receiver.ReasonHeaders, receiver.ReasonHeaderBytes, receiver.ReasonBodyBytes} {
				sum := sha256.Sum256(bad[label].Body)
				want[i][kafkaio.HeaderHash], want[i][kafkaio.HeaderTopic] = hex.EncodeToString(sum[:]), cfg.Kafka.Topic
			}
			var got []map[string]string
			reader, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(cfg.Kafka.Topic+".dlq"))
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			for len(got) < len(want) {
				fetched := reader.PollFetches(t.Context())
				if err := fetched.Err(); err != nil {
					t.Fatal(err)
				}
				fetched.EachRecord(func(r *kgo.Record) {
					headers := map[string]string{}
					for _, h := range r.Headers {
						if strings.HasPrefix(h.Key, "sluice.") {
							headers[h.Key] = string(h.Value)
						}
					}
					if !bytes.HasPrefix(r.Value, []byte("bad")) {
						t.Errorf("the dead letter begins with %q, expected \"bad\"", r.Value[:min(len(r.Value), 10)])
					}
					got = append(got, headers)
				})
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("dead letters: expected (-), got (+):\n%s", d)
			}
			p.stop()
			if err := p.wantEnd(t); err != nil {
				t.Fatal(err)
			}
		})
	}
}
