package socket

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Reader reads lines from servers and gives them to the Appender.
type Reader struct {
	cfg     Config
	rt      receiver.Runtime
	metrics *receiver.Metrics
	lost    prometheus.Counter
	report  *netserver.Reporter
	servers []*server
}

// New returns a reader. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Reader {
	metrics := receiver.NewMetrics(rt.Registry, cfg.Name, []string{receiver.ReasonBodyBytes, receiver.ReasonMemory, receiver.ReasonTruncated})
	r := &Reader{
		cfg: cfg, rt: rt, metrics: metrics, report: netserver.NewReporter(cfg.Name, rt.Log, metrics),
		lost: promauto.With(rt.Registry).NewCounter(prometheus.CounterOpts{
			Name: "etl_socket_lost_events_total",
			Help: "Lines of " + option.Ref("connect-socket") + " that were read and are not known to be in Kafka: too long, unterminated, or not acknowledged by Kafka before the stop.",
		}),
	}
	for _, address := range cfg.Servers {
		r.servers = append(r.servers, newServer(address))
	}
	return r
}

// Open does nothing: a reader acquires nothing before Run.
func (*Reader) Open(context.Context) error { return nil }

// Close does nothing.
func (*Reader) Close() error { return nil }

// Status returns the status of each server, in the order of Config.Servers. It is safe for concurrent use.
func (r *Reader) Status() []Status {
	all := make([]Status, len(r.servers))
	for i, s := range r.servers {
		all[i] = s.status()
	}
	return all
}

// StatusSection implements receiver.StatusReporter.
func (r *Reader) StatusSection() (name string, value any) { return "servers", r.Status() }

// Run reads until ctx is done, and returns nil then. Each server has its own goroutine, so an unavailable one does not
// affect the others. A stop (P33) reads nothing more; lines that were read have ShutdownTimeout to reach Kafka.
func (r *Reader) Run(ctx context.Context) error {
	work, done := netserver.WithGracePeriod(ctx, r.rt.ShutdownTimeout)
	defer done()
	var reading sync.WaitGroup
	for _, s := range r.servers {
		r.report.Log().Info("Reading lines from server", "server", s.address)
		reading.Go(func() { r.keep(ctx, work, s) })
	}
	reading.Wait()
	return nil
}

// keep reads over one connection after another until ctx is done.
func (r *Reader) keep(ctx, work context.Context, s *server) {
	use := func(nc net.Conn, working func()) error { return r.use(ctx, work, s, nc, working) }
	netserver.Reconnect(ctx, s.address, r.cfg.ConnectTimeout, use, func(err error) {
		s.failed(err)
		r.report.Warn("connect "+s.address, "Connection to a line server failed; reconnecting", "server", s.address, "err", err)
	})
}

// use reads over one connection until it ends. It calls working when bytes have arrived.
func (r *Reader) use(ctx, work context.Context, s *server, nc net.Conn, working func()) error {
	r.metrics.Connected()
	s.change(func(st *Status) { st.Connected = true })
	wake := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) }) // fails only if it is closed
	defer func() {
		wake()
		s.change(func(st *Status) { st.Connected = false })
		r.metrics.Disconnected()
	}()
	c := &conn{r: r, s: s, nc: nc, buffer: make([]byte, readBytes), cutter: cutter{limit: r.cfg.MaxLineBytes}}
	return c.read(ctx, work, working)
}

// lose counts lines that will not be in Kafka, or are not known to be.
func (r *Reader) lose(s *server, lines int, why string, err error) {
	r.report.Warn("lost "+s.address, "Lines lost; the server cannot resend them", "server", s.address, "lines", lines, "why", why, "err", err)
	r.lost.Add(float64(lines))
	s.change(func(st *Status) { st.Lost += int64(lines) })
}
