package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/receiver/filewatch"
	"github.com/sluice-etl/sluice/receiver/socket"
)

// records returns the first n values in the topic, together with the given header.
func records(t *testing.T, k *kfake.Cluster, topic, header string, n int) (values []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for len(values) < n {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			value := string(r.Value)
			for _, h := range r.Headers {
				if h.Key == header {
					value += " " + string(h.Value)
				}
			}
			values = append(values, value)
		})
	}
	return values
}

// Lines of files that are moved into the directory become records. A second process continues where the first one
// stopped.
func TestRun_watch(t *testing.T) {
	t.Parallel()
	k := broker(t)
	dir, state := t.TempDir(), t.TempDir()
	cfg := config(t, k.ListenAddrs()[0], "")
	cfg.Load, cfg.Avro.Listen, cfg.Kafka.Partitions = false, "", 1
	cfg.Watch = filewatch.DefaultConfig()
	cfg.Watch.Dirs, cfg.Watch.State = []string{dir}, state
	var want []string
	for run := range 2 {
		name := fmt.Sprintf("f%d.log", run)
		part := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(part, fmt.Appendf(nil, "a%d\r\nb%d", run, run), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(part, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("a%d %s", run, name), fmt.Sprintf("b%d %s", run, name))
		p := start(t, cfg)
		await(t, "the file is read", func() bool {
			_, body := p.get(t, "/api/v1/status")
			return strings.Contains(body, `"folders"`) && strings.Contains(body, `"events": 2`)
		})
		p.stop()
		if err := p.wantEnd(t); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, records(t, k, cfg.Kafka.Topic, "basename", 4)); diff != "" {
		t.Errorf("expected (-), got (+):\n%s", diff)
	}
	if n := k.PartitionInfo(cfg.Kafka.Topic, 0).HighWatermark; n != 4 {
		t.Errorf("%d records, expected 4", n)
	}
}

// Lines of a server to which the receiver connects become records.
func TestRun_socket(t *testing.T) {
	t.Parallel()
	k := broker(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := config(t, k.ListenAddrs()[0], "")
	cfg.Load, cfg.Avro.Listen, cfg.Kafka.Partitions, cfg.FlumeValues = false, "", 1, true
	cfg.Socket = socket.DefaultConfig()
	cfg.Socket.Servers = []string{l.Addr().String()}
	p := start(t, cfg)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("a\r\nb\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"\x00\x02a", "\x00\x02b"}, records(t, k, cfg.Kafka.Topic, "", 2)); diff != "" {
		t.Errorf("expected (-), got (+):\n%s", diff)
	}
	await(t, "the status has it", func() bool {
		_, body := p.get(t, "/api/v1/status")
		return strings.Contains(body, `"servers"`) && strings.Contains(body, `"events": 2`)
	})
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}
