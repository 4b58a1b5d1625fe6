package spark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/listen"
)

var errStopping = errors.New("the poller is stopping")

// Poller polls SparkSinks and gives their events to the Appender.
type Poller struct {
	cfg      Config
	appender flumesink.Appender
	frames   *flumesink.Frames
	metrics  *flumesink.Metrics
	says     *listen.Says
	sinks    []*sink
}

// New makes a poller. cfg must be valid; log and reg may be nil. Nothing is started and nothing is opened.
func New(cfg Config, appender flumesink.Appender, frames *flumesink.Frames, log *slog.Logger, reg prometheus.Registerer) *Poller {
	metrics := flumesink.NewMetrics(reg, cfg.Name, flumesink.Reasons())
	p := &Poller{cfg: cfg, appender: appender, frames: frames, metrics: metrics, says: listen.NewSays(cfg.Name, log, metrics)}
	for _, address := range cfg.Sinks {
		p.sinks = append(p.sinks, newSink(address, cfg.Batch))
	}
	return p
}

// Listen returns nil: a poller connects. It is there because receivers have one.
func (p *Poller) Listen(context.Context) (net.Addr, error) { return nil, nil } //nolint:nilnil // nothing is listened on

// Close does nothing.
func (p *Poller) Close() error { return nil }

// Status is how it stands with each sink, in the order of Config.Sinks. It is safe for concurrent use.
func (p *Poller) Status() []Status {
	all := make([]Status, len(p.sinks))
	for i, s := range p.sinks {
		all[i] = s.status()
	}
	return all
}

// Run polls until ctx ends, and returns nil then. Each connection is its own goroutine, so that a sink that is dead
// holds up no other. A stop (P33) asks for nothing more; batches with the Appender are acked as Kafka acknowledges
// them within ShutdownTimeout. A call that a sink has not answered yet is waited for a quarter of that, and given back;
// after that the connection is closed, and the sink holds what it takes next for its own timeout.
func (p *Poller) Run(ctx context.Context) error {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(p.cfg.ShutdownTimeout, func() { giveUp(errStopping) })
		context.AfterFunc(work, func() { late.Stop() })
	})
	defer stop()
	var polling sync.WaitGroup
	for _, s := range p.sinks {
		p.says.Log().Info("Polling a SparkSink", "sink", s.address, "batch", p.cfg.Batch, "connections", p.cfg.Connections)
		for range p.cfg.Connections {
			polling.Go(func() { p.keep(ctx, work, s) })
		}
	}
	polling.Wait()
	return nil
}

// keep polls over one connection after another until ctx ends.
func (p *Poller) keep(ctx, work context.Context, s *sink) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 30*time.Second
	for {
		err := p.connect(ctx, work, s, pause.Reset)
		if ctx.Err() != nil {
			return
		}
		s.failed(err)
		p.says.Warn("connect "+s.address, "A SparkSink is away, connecting again", "sink", s.address, "err", err)
		if !wait(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// connect polls over one connection until it breaks; working is called when the sink has answered.
func (p *Poller) connect(ctx, work context.Context, s *sink, working func()) error {
	d := net.Dialer{Timeout: p.cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	nc, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("connect to the SparkSink %s: %w", s.address, err)
	}
	c := newConn(work, p, s, nc)
	p.metrics.Connected()
	s.connected(1)
	defer func() {
		_ = nc.Close() // what was acked was acked
		s.connected(-1)
		p.metrics.Disconnected()
	}()
	for {
		err := c.poll(ctx)
		var fault *sinkError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			working()
		case errors.As(err, &fault): // the connection is good
			working()
			s.failed(err)
			if !wait(ctx, jitter(p.cfg.Pause)) {
				return ctx.Err()
			}
		default:
			return err
		}
	}
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jitter is d, more or less a fifth.
func jitter(d time.Duration) time.Duration {
	return d*4/5 + time.Duration(rand.Int64N(int64(d)*2/5+1)) //nolint:gosec // G404: spreading needs no secrecy
}
