package spark

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Poller polls SparkSinks and gives their events to the Appender.
type Poller struct {
	cfg     Config
	rt      receiver.Runtime
	metrics *receiver.Metrics
	report  *netserver.Reporter
	sinks   []*sink
}

// New returns a poller. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Poller {
	metrics := receiver.NewMetrics(rt.Registry, cfg.Name, receiver.Reasons())
	p := &Poller{cfg: cfg, rt: rt, metrics: metrics, report: netserver.NewReporter(cfg.Name, rt.Log, metrics)}
	for _, address := range cfg.Sinks {
		p.sinks = append(p.sinks, newSink(address, cfg.Batch))
	}
	return p
}

// Open does nothing: a poller acquires nothing before Run.
func (*Poller) Open(context.Context) error { return nil }

// Close does nothing.
func (*Poller) Close() error { return nil }

// Status returns the status of each sink, in the order of Config.Sinks. It is safe for concurrent use.
func (p *Poller) Status() []Status {
	all := make([]Status, len(p.sinks))
	for i, s := range p.sinks {
		all[i] = s.status()
	}
	return all
}

// StatusSection implements receiver.StatusReporter.
func (p *Poller) StatusSection() (name string, value any) { return "sinks", p.Status() }

// Run polls until ctx is done, and returns nil then. Each connection has its own goroutine, so an unavailable sink does
// not affect the others. A stop (P33) requests nothing more. Batches that the Appender has are acked as Kafka
// acknowledges them within ShutdownTimeout. A call without a reply gets a quarter of that; a batch that arrives by then
// is returned. After that the connection is closed, and the sink holds the events that it takes next for its own
// timeout.
func (p *Poller) Run(ctx context.Context) error {
	work, done := netserver.WithGracePeriod(ctx, p.rt.ShutdownTimeout)
	defer done()
	var polling sync.WaitGroup
	if len(p.sinks) > 0 && p.rt.AckTimeout >= sinkTimeout {
		p.report.Log().Warn("The ack timeout is not below the timeout of SparkSinks (60 s by default): a batch that is acked after the sink took it back is counted and sent again", "ack_timeout", p.rt.AckTimeout, "set_by", option.Ref("ack-timeout"))
	}
	for _, s := range p.sinks {
		p.report.Log().Info("Polling SparkSink", "sink", s.address, "batch", p.cfg.Batch, "connections", p.cfg.Connections)
		for range p.cfg.Connections {
			polling.Go(func() { p.keep(ctx, work, s) })
		}
	}
	polling.Wait()
	return nil
}

// keep polls over one connection after another until ctx is done.
func (p *Poller) keep(ctx, work context.Context, s *sink) {
	use := func(nc net.Conn, working func()) error { return p.use(ctx, work, s, nc, working) }
	netserver.Reconnect(ctx, s.address, p.cfg.ConnectTimeout, use, func(err error) {
		s.failed(err)
		if isRejected(err) {
			return // use has reported it
		}
		p.report.Warn("connect "+s.address, "Connection to a SparkSink failed; reconnecting", "sink", s.address, "err", err)
	})
}

// use polls over one connection until it fails. It calls working when the sink has replied.
func (p *Poller) use(ctx, work context.Context, s *sink, nc net.Conn, working func()) error {
	c := newConn(p, s, nc)
	p.metrics.Connected()
	s.connected(1)
	defer func() {
		s.connected(-1)
		p.metrics.Disconnected()
	}()
	stop := context.AfterFunc(work, func() { _ = nc.SetDeadline(time.Now().Add(finalTimeout)) }) // fails only if it is closed
	defer stop()
	for {
		err := c.poll(ctx, work)
		_, good := errors.AsType[pauseError](err)
		_, rejected := errors.AsType[*receiver.RejectError](err)
		if isRejected(err) {
			p.report.Rejected(nc.RemoteAddr(), err)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			working()
			continue
		case good:
			working()
			s.failed(err)
		case !rejected:
			return err
		}
		if !obs.Wait(ctx, p.pause()) || !good {
			return err
		}
	}
}

// pause returns Config.Pause times the number of connections, plus or minus a fifth.
func (p *Poller) pause() time.Duration {
	d := p.cfg.Pause * time.Duration(p.cfg.Connections)
	return d*4/5 + time.Duration(rand.Int64N(int64(d)*2/5+1)) //nolint:gosec // G404: spreading needs no secrecy
}
