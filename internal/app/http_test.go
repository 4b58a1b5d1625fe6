package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
)

// Events that arrive over HTTP keep their headers, and the reply is 200 once they are in Kafka.
func TestRun_http(t *testing.T) {
	t.Parallel()
	k := broker(t)
	cfg := config(t, k.ListenAddrs()[0], "")
	cfg.Load, cfg.Kafka.Partitions = false, 1
	cfg.Avro.Listen = ""
	cfg.HTTP = httpreceiver.DefaultConfig()
	cfg.HTTP.Listen = "127.0.0.1:0"
	p := start(t, cfg)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.at.Receivers["http"].String()+"/",
		strings.NewReader(`[{"headers":{"host":"a"},"body":"one \"two\""},{"body":"three"}]`))
	if err != nil {
		t.Fatal(err)
	}
	q.Close = true
	r, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK || len(body) != 0 || err != nil {
		t.Fatalf("status %s, %q, %v; expected status %v, an empty body and no error", r.Status, body, err, http.StatusOK)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(cfg.Kafka.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var got []string
	for len(got) < 2 {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			line := string(r.Value)
			for _, h := range r.Headers {
				line += " " + h.Key + "=" + string(h.Value)
			}
			got = append(got, line)
		})
	}
	if d := cmp.Diff([]string{`one "two" host=a`, "three"}, got); d != "" {
		t.Errorf("in Kafka: expected (-), got (+):\n%s", d)
	}
	await(t, "the events are counted as answered, which they are after the answer", func() bool {
		_, metrics := p.get(t, "/metrics")
		return strings.Contains(metrics, `etl_receiver_events_total{receiver="http"} 2`)
	})
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}
