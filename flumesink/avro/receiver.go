package avro

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/flumesink"
)

// logEvery is how often a line of one kind is logged; the next one says how many were left out.
const logEvery = 10 * time.Second

// Receiver is an Avro source: it listens, gives events to the Appender, and answers OK when they are safe.
type Receiver struct {
	cfg       Config
	appender  flumesink.Appender
	admission *flumesink.Admission
	log       *slog.Logger
	throttle  *flumesink.Throttle
	metrics   *flumesink.Metrics
	protocols *protocols
	buffers   buffers
	conns     conns

	mu       sync.Mutex // guards listener
	listener net.Listener
}

// New makes a receiver. cfg must be valid; log and reg may be nil. Nothing is started and nothing is opened.
func New(cfg Config, appender flumesink.Appender, admission *flumesink.Admission, log *slog.Logger, reg prometheus.Registerer) *Receiver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Receiver{
		cfg:       cfg,
		appender:  appender,
		admission: admission,
		log:       log.With("component", cfg.Name),
		throttle:  flumesink.NewThrottle(logEvery),
		metrics:   flumesink.NewMetrics(reg, cfg.Name, reasons),
		protocols: newProtocols(),
		conns:     newConns(cfg.MaxConnections, cfg.MaxConnectionsPerAddress),
	}
}

// Listen opens the port, so that a port that is taken is an error before anything runs, and returns the address that
// was bound. Run then accepts on it. Senders may connect from now on; they are served once Run is called.
func (r *Receiver) Listen(ctx context.Context) (net.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		return r.listener.Addr(), nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", r.cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--avro-listen %s: %w: another process has this port; stop it, or choose another port", r.cfg.Listen, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("--avro-listen %s: %w: ports below 1024 need a privilege; choose a higher one", r.cfg.Listen, err)
	case err != nil:
		return nil, fmt.Errorf("--avro-listen %s: %w: want host:port or :port with an address of this machine", r.cfg.Listen, err)
	}
	r.listener = l
	return l.Addr(), nil
}

// Close gives up a port that Listen opened, where Run was never called.
func (r *Receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener == nil {
		return nil
	}
	err := r.listener.Close()
	r.listener = nil
	return err
}

// Run serves until ctx ends, and returns nil then. It stops as P33 says: no more connections are accepted and nothing
// more is read; requests that the Appender has are answered as they are acknowledged; after ShutdownTimeout the rest
// is closed unanswered. Run may be called once.
func (r *Receiver) Run(ctx context.Context) error {
	addr, err := r.Listen(ctx)
	if err != nil {
		return err
	}
	r.log.Info("Receiving Flume's Avro RPC", "address", addr.String())
	reading, stop := context.WithCancel(ctx)
	defer stop()
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)

	var serving, tending sync.WaitGroup
	tending.Go(func() { // stop accepting and reading
		<-reading.Done()
		_ = r.Close() // the accept loop ends by this
		r.conns.each((*conn).stopReading)
	})
	tending.Go(func() { r.sweep(reading) })
	err = r.accept(reading, work, &serving)
	stop()
	tending.Wait()

	late := time.AfterFunc(r.cfg.ShutdownTimeout, func() { giveUp(errStopping) })
	defer late.Stop()
	serving.Wait()
	return err
}

// accept takes connections until reading ends.
func (r *Receiver) accept(reading, work context.Context, serving *sync.WaitGroup) error {
	r.mu.Lock()
	l := r.listener
	r.mu.Unlock()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 5*time.Millisecond, time.Second
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause.Reset()
			r.take(reading, work, nc, serving)
		case reading.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections: %w", err)
		default: // too many open files, or a connection that was reset before it was taken
			r.warn("accept", "Could not accept a connection", "err", err)
			timer := time.NewTimer(pause.NextBackOff())
			select {
			case <-reading.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// take serves a new connection, unless it is one too many.
func (r *Receiver) take(reading, work context.Context, nc net.Conn, serving *sync.WaitGroup) {
	c := &conn{
		r:     r,
		nc:    nc,
		addr:  remoteAddr(nc),
		gone:  goneCheck(nc),
		in:    input{conn: nc, pool: &r.buffers},
		work:  work,
		slots: make(chan struct{}, r.cfg.MaxPipelined),
	}
	c.read, c.cancel = context.WithCancel(reading)
	if refused := r.conns.add(c); refused != nil {
		c.close()
		r.refused(c, refused)
		return
	}
	if reading.Err() != nil {
		c.stopReading()
	}
	r.metrics.Connected()
	serving.Go(c.serve)
}

// sweep closes the connections that nothing is read from, and whose sender has gone: during a long outage senders time
// out and connect again, and what they leave behind must not use up the limits.
func (r *Receiver) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.conns.each(func(c *conn) {
				if c.waiting.Load() && c.gone() {
					c.close()
				}
			})
		}
	}
}

// ended takes a connection out of the books and says why it ended, where there is something to say.
func (r *Receiver) ended(c *conn, err error) {
	r.conns.remove(c)
	r.metrics.Disconnected()
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		r.refused(c, refused)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.refused(c, &refusal{reasonTruncated, errors.New("the connection ended within a frame")})
	case quiet(err):
	default:
		r.log.Debug("Connection ended", "remote", c.nc.RemoteAddr().String(), "err", err)
	}
}

// What is counted was logged before, so that whoever sees the counter finds the line.

func (r *Receiver) refused(c *conn, why *refusal) {
	r.warn(why.reason, "Connection closed", "remote", c.nc.RemoteAddr().String(), "reason", why.reason, "err", why.err)
	r.metrics.Refused(why.reason)
}

// dropped counts a request of which nothing was produced. reason is empty where the Appender dropped it.
func (r *Receiver) dropped(c *conn, reason string, events int, err error) {
	r.warn("dropped", "Request dropped, not produced", "remote", c.nc.RemoteAddr().String(), "events", events, "err", err)
	r.metrics.Dropped()
	if reason != "" {
		r.metrics.Refused(reason)
	}
}

func (r *Receiver) unanswered(c *conn, events int, err error) {
	r.warn("unanswered", "Request left unanswered, its sender will send it again", "remote", c.nc.RemoteAddr().String(), "events", events, "err", err)
	r.metrics.Unanswered(events)
}

func (r *Receiver) warn(kind, message string, args ...any) {
	if ok, more := r.throttle.Allow(kind, time.Now()); ok {
		if more > 0 {
			args = append(args, "more_like_it", more)
		}
		r.log.Warn(message, args...) //nolint:sloglint // every caller gives a constant
	}
}
