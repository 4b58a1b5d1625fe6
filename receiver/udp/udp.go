// Package udp receives events over UDP, for netcat and syslog: each datagram is one event, without a reply.
//
// Datagrams that arrive within 20 ms form one request to the Appender. A request waits for Kafka without a limit, and
// up to eight requests are in flight. While there are that many, and while records of earlier requests are neither
// acknowledged nor failed (P23), nothing is read: then the kernel's buffer fills, and the kernel drops what does not
// fit, which no process can count. What was read is either in Kafka or counted as lost.
package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Config is a receiver's address.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Description says what is received, for the log.
	Description string
	// Listen is the UDP address; port 0 selects a free port.
	Listen string
}

// DefaultConfig returns the defaults, without an address.
func DefaultConfig(name, description string) Config {
	return Config{Name: name, Description: description}
}

// option returns the name of the address's option.
func (c *Config) option() string { return option.Of(c.Name, "listen") }

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	if c.Listen == "" {
		return option.Error(c.option(), "", "must be host:port or :port")
	}
	return nil
}

const (
	maxDatagram  = 64 << 10              // bytes of a datagram
	linger       = 20 * time.Millisecond // how long a request waits for more datagrams
	maxDatagrams = 1000                  // datagrams in a request
	enoughBytes  = 256 << 10             // bytes of a request after which it takes no more datagrams
	maxInFlight  = 8                     // requests
)

// Receiver receives datagrams.
type Receiver struct {
	cfg     Config
	finish  func(*receiver.Frame) error
	rt      receiver.Runtime
	report  *netserver.Reporter
	metrics *receiver.Metrics

	mu   sync.Mutex // guards conn
	conn *net.UDPConn
}

// New returns a receiver. finish gets a frame whose events are the datagrams as they arrived, and turns them into the
// final events. cfg must be valid. Nothing is opened.
func New(cfg Config, finish func(*receiver.Frame) error, rt receiver.Runtime) *Receiver {
	metrics := receiver.NewMetrics(rt.Registry, cfg.Name, receiver.Reasons())
	return &Receiver{cfg: cfg, finish: finish, rt: rt, report: netserver.NewReporter(cfg.Name, rt.Log, metrics), metrics: metrics}
}

// Open opens the port.
func (r *Receiver) Open(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		var lc net.ListenConfig
		conn, err := lc.ListenPacket(ctx, "udp", r.cfg.Listen)
		if err != nil {
			return netserver.ListenError(option.Ref(r.cfg.option()), r.cfg.Listen, err)
		}
		r.conn = conn.(*net.UDPConn)
	}
	return nil
}

// Addr returns the address that Open bound; nil before.
func (r *Receiver) Addr() net.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	return r.conn.LocalAddr()
}

// Close closes the port.
func (r *Receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	return err
}

// Run receives until ctx is done, and returns nil then. It waits for requests in flight as P33 says.
func (r *Receiver) Run(ctx context.Context) error {
	if err := r.Open(ctx); err != nil {
		return err
	}
	addr := r.Addr()
	r.report.Log().Info("Receiver started", "receives", r.cfg.Description, "address", addr.String())
	r.mu.Lock()
	conn := r.conn
	r.mu.Unlock()
	work, done := netserver.WithGracePeriod(ctx, r.rt.ShutdownTimeout)
	defer done()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() }) // ends the reading
	defer stop()

	var requests sync.WaitGroup
	slots := make(chan struct{}, maxInFlight)
	b := &batch{r: r, conn: conn, buffer: make([]byte, maxDatagram)}
	var err error
	for err == nil {
		var f *receiver.Frame
		if f, err = b.next(ctx); err == nil && f != nil {
			slots <- struct{}{} // a stop frees slots too, because it ends work
			requests.Go(func() {
				r.append(work, addr, f)
				<-slots
			})
		}
	}
	late := time.AfterFunc(r.rt.ShutdownTimeout, done) // if the socket failed, no stop ends work
	defer late.Stop()
	requests.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", option.Ref(r.cfg.option()), err)
}

// append gives the frame's events to the Appender. It has no deadline, because senders of datagrams never resend.
// Events that are not in Kafka when work ends count as lost.
func (r *Receiver) append(work context.Context, addr net.Addr, f *receiver.Frame) {
	first, events := f.First, len(f.Events)
	if events == 0 {
		f.Release()
		return
	}
	if err := r.rt.Appender.Append(work, f.Request(nil)); err != nil {
		r.report.Lost(addr, events, err)
		return
	}
	r.metrics.Acknowledged(events, time.Since(first))
}

// batch collects datagrams.
type batch struct {
	r      *Receiver
	conn   *net.UDPConn
	buffer []byte
	ends   []int // where each datagram ends in the frame's bytes
}

// next waits for a datagram, and adds those that follow it within linger. A nil frame without an error means that the
// datagrams were counted as lost.
func (b *batch) next(ctx context.Context) (*receiver.Frame, error) {
	r := b.r
	if err := r.rt.Appender.Ready(ctx); err != nil {
		return nil, err
	}
	n, err := b.read(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	first := time.Now()
	f, err := r.rt.Frames.Begin(ctx, first, first.Add(r.rt.AckTimeout), 0)
	if err != nil {
		return nil, b.lose(ctx, nil, 1, err)
	}
	b.ends = b.ends[:0]
	for {
		if err := b.add(f, b.buffer[:n]); err != nil {
			return nil, b.lose(ctx, f, len(b.ends)+1, err)
		}
		if len(b.ends) == maxDatagrams || len(f.Bytes) >= enoughBytes {
			break
		}
		n, err = b.read(ctx, first.Add(linger))
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil && ctx.Err() != nil {
			break // what was read before a stop is still produced
		}
		if err != nil {
			return nil, b.lose(ctx, f, len(b.ends), err)
		}
	}
	r.metrics.Received(len(f.Bytes))
	from := 0
	for _, end := range b.ends {
		if err := f.GrowEvents(); err != nil {
			return nil, b.lose(ctx, f, len(b.ends), err)
		}
		f.Events = append(f.Events, receiver.Event{Body: f.Bytes[from:end:end]})
		from = end
	}
	if err := r.finish(f); err != nil {
		return nil, b.lose(ctx, f, len(b.ends), err)
	}
	return f, nil
}

// read reads one datagram from an address that may send.
func (b *batch) read(ctx context.Context, deadline time.Time) (int, error) {
	if err := b.conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	for {
		n, from, err := b.conn.ReadFromUDPAddrPort(b.buffer)
		if err != nil {
			return 0, err
		}
		if err := b.r.rt.Filter.Check(ctx, from.Addr()); err != nil {
			b.r.report.Rejected(net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), err)
			continue
		}
		return n, nil
	}
}

// add appends a datagram to the frame.
func (b *batch) add(f *receiver.Frame, datagram []byte) error {
	for len(datagram) > 0 {
		if len(f.Bytes) == cap(f.Bytes) {
			if err := f.Grow(); err != nil {
				return err
			}
		}
		n := copy(f.Bytes[len(f.Bytes):cap(f.Bytes)], datagram)
		f.Bytes, datagram = f.Bytes[:len(f.Bytes)+n], datagram[n:]
	}
	b.ends = append(b.ends, len(f.Bytes))
	return nil
}

// lose counts datagrams as lost. Its error, which ends the receiver, is nil unless the socket failed or ctx is done.
func (b *batch) lose(ctx context.Context, f *receiver.Frame, events int, err error) error {
	if f != nil {
		f.Release()
	}
	b.r.report.Lost(b.conn.LocalAddr(), events, err)
	var rejected *receiver.RejectError
	if ctx.Err() != nil || errors.As(err, &rejected) {
		return ctx.Err()
	}
	return err
}
