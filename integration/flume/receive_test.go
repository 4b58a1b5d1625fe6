//go:build integration

package flume

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/receiver"
)

// kept is an Appender that stores an agent's events in the form of golden files: {"k"="v",…} "body", headers sorted.
type kept struct {
	addr string

	mu     sync.Mutex
	events []string
}

// keep runs an Avro receiver until the test ends.
func keep(t *testing.T) *kept {
	t.Helper()
	k := &kept{}
	cfg := avro.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	r := avro.New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), k, nil, nil))
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := r.Addr()
	k.addr = addr.String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return k
}

func (k *kept) Append(_ context.Context, r receiver.Request) error {
	defer r.Release()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		var headers []string
		for _, h := range e.Headers {
			headers = append(headers, fmt.Sprintf("%q=%q", h.Key, h.Value))
		}
		slices.Sort(headers)
		k.events = append(k.events, fmt.Sprintf("{%s} %q", strings.Join(headers, ","), e.Body))
	}
	return nil
}

func (k *kept) Ready(context.Context) error { return nil }

// has reports whether an event that contains the mark has arrived.
func (k *kept) has(mark string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.events, func(e string) bool { return strings.Contains(e, mark) })
}

// upTo waits for the event that contains the mark and removes and returns those before it.
func (k *kept) upTo(ctx context.Context, t *testing.T, mark string) []string {
	t.Helper()
	etltest.Await(ctx, t, "the event "+mark, func() bool { return k.has(mark) })
	k.mu.Lock()
	defer k.mu.Unlock()
	at := slices.IndexFunc(k.events, func(e string) bool { return strings.Contains(e, mark) })
	taken := k.events[:at]
	k.events = slices.Clone(k.events[at+1:])
	return taken
}

// sinkTo returns the properties of sink k and memory channel c with that number, which send to the receiver.
func (k *kept) sinkTo(n int) []string {
	host, port, _ := net.SplitHostPort(k.addr)
	s := fmt.Sprint(n)
	return []string{"channels.c" + s + ".type=memory", "sinks.k" + s + ".type=avro", "sinks.k" + s + ".channel=c" + s,
		"sinks.k" + s + ".hostname=" + host, "sinks.k" + s + ".port=" + port,
		"sinks.k" + s + ".batch-size=1"} // a batch that is not full waits 3 s more
}
