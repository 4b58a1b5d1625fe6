package netserver

import (
	"context"
	"testing"

	"github.com/sluice-etl/sluice/receiver"
)

// A stop that comes before the first connection is accepted ends Run, whichever of its goroutines runs first.
func TestServer_stopsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range 1000 {
		cfg := DefaultConfig("test", "nothing")
		cfg.Listen = "127.0.0.1:0"
		s := New(cfg, func(*Conn) error { return nil }, receiver.NewRuntime(receiver.DefaultConfig(), nil, nil, nil))
		if n%2 == 0 {
			if err := s.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Run(ctx); err != nil {
			t.Fatalf("got %v, expected nil", err)
		}
	}
}
