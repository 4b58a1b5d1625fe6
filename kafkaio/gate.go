package kafkaio

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// gate counts the records of unanswered requests that Kafka has neither acknowledged nor failed. It is open while there
// are none.
type gate struct {
	mu    sync.Mutex
	count int64         // briefly negative when an ack arrives before its request returns
	open  chan struct{} // made when the gate closes, closed when it opens
	gauge prometheus.Gauge
}

func (g *gate) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.count > 0
	g.count += n
	is := g.count > 0
	switch {
	case is && !was:
		g.open = make(chan struct{})
	case was && !is:
		close(g.open)
	}
	if g.gauge != nil {
		g.gauge.Set(float64(max(g.count, 0)))
	}
}

func (g *gate) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		closed, open := g.count > 0, g.open
		g.mu.Unlock()
		if !closed {
			return nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
