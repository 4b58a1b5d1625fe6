package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/listen"
)

var errStopping = errors.New("the reader is stopping")

// Reader reads lines from servers and gives them to the Appender.
type Reader struct {
	cfg      Config
	appender flumesink.Appender
	frames   *flumesink.Frames
	metrics  *flumesink.Metrics
	lost     prometheus.Counter
	says     *listen.Says
	servers  []*server
}

// New makes a reader. cfg must be valid; log and reg may be nil. Nothing is started and nothing is opened.
func New(cfg Config, appender flumesink.Appender, frames *flumesink.Frames, log *slog.Logger, reg prometheus.Registerer) *Reader {
	metrics := flumesink.NewMetrics(reg, cfg.Name, []string{flumesink.ReasonBodyBytes, flumesink.ReasonMemory, flumesink.ReasonTruncated})
	r := &Reader{
		cfg: cfg, appender: appender, frames: frames, metrics: metrics, says: listen.NewSays(cfg.Name, log, metrics),
		lost: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "etl_socket_lost_events_total",
			Help: "Lines of --connect-socket that were read and are not known to be in Kafka: too long, without an end, or without Kafka's word before the stop.",
		}),
	}
	for _, address := range cfg.Servers {
		r.servers = append(r.servers, newServer(address))
	}
	return r
}

// Listen returns nil: a reader connects. It is there because receivers have one.
func (*Reader) Listen(context.Context) (net.Addr, error) { return nil, nil } //nolint:nilnil // nothing is listened on

// Close does nothing.
func (*Reader) Close() error { return nil }

// Status is how it stands with each server, in the order of Config.Servers. It is safe for concurrent use.
func (r *Reader) Status() []Status {
	all := make([]Status, len(r.servers))
	for i, s := range r.servers {
		all[i] = s.status()
	}
	return all
}

// Run reads until ctx ends, and returns nil then. Each server is its own goroutine, so that one that is away holds up no
// other. A stop (P33) reads nothing more; lines that were read have ShutdownTimeout to reach Kafka.
func (r *Reader) Run(ctx context.Context) error {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(r.cfg.ShutdownTimeout, func() { giveUp(errStopping) })
		context.AfterFunc(work, func() { late.Stop() })
	})
	defer stop()
	var reading sync.WaitGroup
	for _, s := range r.servers {
		r.says.Log().Info("Reading lines from a server", "server", s.address)
		reading.Go(func() { r.keep(ctx, work, s) })
	}
	reading.Wait()
	return nil
}

// keep reads over one connection after another until ctx ends.
func (r *Reader) keep(ctx, work context.Context, s *server) {
	pause := backoff.NewExponentialBackOff() // jittered
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 30*time.Second
	for {
		err := r.connect(ctx, work, s, pause.Reset)
		if ctx.Err() != nil {
			return
		}
		s.failed(err)
		r.says.Warn("connect "+s.address, "A server of lines is away, connecting again", "server", s.address, "err", err)
		if !wait(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// connect reads over one connection until it ends; working is called when it has brought something.
func (r *Reader) connect(ctx, work context.Context, s *server, working func()) error {
	d := net.Dialer{Timeout: r.cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	nc, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("connect to --connect-socket %s: %w", s.address, err)
	}
	r.metrics.Connected()
	s.change(func(st *Status) { st.Connected = true })
	wake := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) }) // fails only where it is closed
	defer func() {
		wake()
		_ = nc.Close() // nothing was written
		s.change(func(st *Status) { st.Connected = false })
		r.metrics.Disconnected()
	}()
	c := &conn{r: r, s: s, nc: nc, work: work, buffer: make([]byte, readBytes), cutter: cutter{limit: r.cfg.MaxLineBytes}}
	return c.read(ctx, working)
}

// lose counts lines that will not be in Kafka, or are not known to be.
func (r *Reader) lose(s *server, lines int, why string, err error) {
	r.says.Warn("lost "+s.address, "Lines were read and are lost, the server cannot be asked again", "server", s.address, "lines", lines, "why", why, "err", err)
	r.lost.Add(float64(lines))
	s.change(func(st *Status) { st.Lost += int64(lines) })
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
