// Package udp receives events over UDP, for netcat and syslog: each datagram is one event, and nobody is answered.
//
// What arrives within a moment is one request to the Appender; Kafka is waited for however long it takes, with some
// requests under way. While there are that many, and while records of earlier ones have no final word (P23), nothing is
// read: then the kernel's buffer fills, and what does not fit is dropped by the kernel, unseen by anybody, as is the way
// of UDP. What was read is in Kafka, or counted as lost.
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

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Config is a receiver's address and bounds. The option that sets the address is Option.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Option is the option of the address, as in "--netcat-udp-listen"; errors name it.
	Option string
	// Description is what the receiver receives, for the log.
	Description string
	// Listen is the UDP address; port 0 takes a free one.
	Listen string
}

// DefaultConfig is the defaults; it listens nowhere.
func DefaultConfig(name, option, description string) Config {
	return Config{Name: name, Option: option, Description: description}
}

// Validate names every violated bound.
func (c *Config) Validate() error {
	if c.Listen == "" {
		return fmt.Errorf("%s is empty: must be host:port or :port", c.Option)
	}
	return nil
}

const (
	largest  = 64 << 10              // a datagram
	moment   = 20 * time.Millisecond // how long company is waited for
	together = 1000                  // datagrams to a request
	enough   = 256 << 10             // bytes to a request
	underWay = 8                     // requests
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

// New makes a receiver. finish is given a frame whose events are the datagrams as they came, and makes events of them.
// cfg must have an address. Nothing is opened.
func New(cfg Config, finish func(*receiver.Frame) error, rt receiver.Runtime) *Receiver {
	metrics := receiver.NewMetrics(rt.Registry, cfg.Name, receiver.Reasons())
	return &Receiver{cfg: cfg, finish: finish, rt: rt, report: netserver.NewReporter(cfg.Name, rt.Log, metrics), metrics: metrics}
}

// Open implements receiver.Receiver: it opens the port.
func (r *Receiver) Open(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		var lc net.ListenConfig
		conn, err := lc.ListenPacket(ctx, "udp", r.cfg.Listen)
		if err != nil {
			return netserver.ListenError(r.cfg.Option, r.cfg.Listen, err)
		}
		r.conn = conn.(*net.UDPConn)
	}
	return nil
}

// Addr is the address that Open bound; nil before.
func (r *Receiver) Addr() net.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	return r.conn.LocalAddr()
}

// Close gives up the port.
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

// Run receives until ctx ends, and returns nil then; requests under way are waited for as P33 says.
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
	stop := context.AfterFunc(ctx, func() { _ = r.Close() }) // the reading ends by this
	defer stop()

	var requests sync.WaitGroup
	slots := make(chan struct{}, underWay)
	b := &batch{r: r, conn: conn, buffer: make([]byte, largest)}
	var err error
	for err == nil {
		var f *receiver.Frame
		if f, err = b.next(ctx); err == nil && f != nil {
			slots <- struct{}{} // freed in time by a stop too: it ends work
			requests.Go(func() {
				r.append(work, addr, f)
				<-slots
			})
		}
	}
	late := time.AfterFunc(r.rt.ShutdownTimeout, done) // where the socket failed, and nothing stops
	defer late.Stop()
	requests.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", r.cfg.Option, err)
}

// append gives the frame's events to the Appender. It has no deadline, because senders of datagrams never resend: only the
// end of work gives the events up, and then they count as lost.
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
	r.metrics.Answered(events, time.Since(first))
}

// batch collects datagrams.
type batch struct {
	r      *Receiver
	conn   *net.UDPConn
	buffer []byte
	ends   []int // of each datagram in the frame's bytes
}

// next waits for a datagram, and takes what follows it within a moment. A nil frame is one that was rejected.
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
		if len(b.ends) == together || len(f.Bytes) >= enough {
			break
		}
		n, err = b.read(ctx, first.Add(moment))
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil && ctx.Err() != nil {
			break // what was read before a stop is produced
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

// read reads one datagram of somebody who may send.
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

// lose counts datagrams that cannot be taken as lost, and ends the receiver only where its socket is at fault.
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
