package netserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Server accepts connections and serves each by the receiver's function. It implements receiver.Receiver.
type Server struct {
	cfg     Config
	serve   func(*Conn) error
	rt      receiver.Runtime
	report  *Reporter
	metrics *receiver.Metrics
	tls     *certificates // nil if TLS is not enabled
	conns   conns

	mu       sync.Mutex // guards listener
	listener net.Listener
}

// New returns a server. serve reads requests from a connection until it ends, and returns why; it is called once for
// each connection, on its own goroutine. cfg must be valid. Nothing is started or opened.
func New(cfg Config, serve func(*Conn) error, rt receiver.Runtime) *Server {
	s := &Server{
		cfg:     cfg,
		serve:   serve,
		rt:      rt,
		metrics: receiver.NewMetrics(rt.Registry, cfg.Name, append(receiver.Reasons(), cfg.Reasons...)),
	}
	s.report = NewReporter(cfg.Name, rt.Log, s.metrics)
	s.tls = newCertificates(cfg.TLS, s.report)
	s.conns = newConns(&s.cfg)
	return s
}

// Metrics returns the receiver's metrics.
func (s *Server) Metrics() *receiver.Metrics { return s.metrics }

// Open opens the port, and fails if certificates cannot be read. Senders can connect from now on, and are served once
// Run is called.
func (s *Server) Open(ctx context.Context) error {
	_, err := s.open(ctx)
	return err
}

// open is Open, and returns the listener.
func (s *Server) open(ctx context.Context) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return s.listener, nil
	}
	if s.tls != nil {
		if _, err := s.tls.current(); err != nil {
			return nil, fmt.Errorf("%s: %w", option.Ref(option.Of(s.cfg.Name, "tls-cert")), err)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return nil, ListenError(option.Ref(option.Of(s.cfg.Name, "listen")), s.cfg.Listen, err)
	}
	s.listener = l
	return l, nil
}

// Addr returns the address that Open bound; nil before.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close closes the port. It is for a server whose Run is never called.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	err := s.listener.Close()
	s.listener = nil
	return err
}

// Run serves until ctx is done, and returns nil then. It stops as P33 requires: it accepts no more connections and
// reads nothing more; requests that the Appender has get their replies as they are acknowledged; after ShutdownTimeout
// the other connections are closed without a reply. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.open(ctx)
	if err != nil {
		return err
	}
	s.report.log.Info("Receiver started", "receives", s.cfg.Description, "address", l.Addr().String())
	reading, stop := context.WithCancel(ctx)
	defer stop()
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)

	var serving, background sync.WaitGroup
	background.Go(func() { // stop accepting and reading
		<-reading.Done()
		_ = s.Close() // ends the accept loop
		s.conns.each((*Conn).stopReading)
	})
	background.Go(func() { s.sweep(reading) })
	err = s.accept(reading, work, l, &serving)
	stop()
	background.Wait()

	late := time.AfterFunc(s.rt.ShutdownTimeout, func() { giveUp(ErrStopping) })
	defer late.Stop()
	serving.Wait()
	return err
}

// accept accepts connections until reading is done.
func (s *Server) accept(reading, work context.Context, l net.Listener, serving *sync.WaitGroup) error {
	pause := obs.NewBackoff(5*time.Millisecond, time.Second)
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause.Reset()
			s.take(reading, work, nc, serving)
		case reading.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections: %w", err)
		default: // too many open files, or a connection that was reset before it was accepted
			s.report.Warn("accept", "Accepting a connection failed", "err", err)
			pause.Wait(reading)
		}
	}
}

// take serves a new connection, unless it exceeds a limit. A name in --ip-filter is looked up on the connection's own
// goroutine, because DNS may be slow.
func (s *Server) take(reading, work context.Context, nc net.Conn, serving *sync.WaitGroup) {
	c := newConn(work, s, nc)
	c.read, c.cancel = context.WithCancel(reading)
	err := s.conns.add(c)
	if err != nil {
		c.Close()
		s.report.Rejected(nc.RemoteAddr(), err)
		return
	}
	if reading.Err() != nil {
		c.stopReading()
	}
	s.metrics.Connected()
	serving.Go(c.run)
}

// sweep closes connections that are not being read and whose sender has closed them. During a long outage senders time
// out and reconnect, and their old connections must not use up the limits.
func (s *Server) sweep(ctx context.Context) {
	obs.Every(ctx, time.Second, func() {
		s.conns.each(func(c *Conn) {
			if c.waiting.Load() && c.gone() {
				c.Close()
			}
		})
	})
}
