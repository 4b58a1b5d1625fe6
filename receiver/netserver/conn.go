package netserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// ErrStopping says that a source stops: nothing more is read.
var ErrStopping = errors.New("the receiver is stopping")

var errLate = errors.New("the request is older than --ack-timeout: Kafka was unavailable or slow")

// Conn is one sender's connection, its layers taken off. Its reading side, WaitReady, Read and Begin, belongs to the
// goroutine that serves it; a Request's Append and End, Write and Close may be called from others. All goroutines that Go
// started end before the connection's end is reported.
type Conn struct {
	s    *Server
	nc   net.Conn // the bytes on the wire
	addr netip.Addr
	gone func() bool

	inside layers // what Read and Write go through

	work   context.Context    // ends when requests with the Appender are given up: at most ShutdownTimeout after the stop
	read   context.Context    // ends with the server's, and when the connection is closed
	cancel context.CancelFunc // of read

	waiting  atomic.Bool   // nothing is read at the moment: only asking the socket shows that the sender has gone
	slots    chan struct{} // one for each request that Go has under way
	requests sync.WaitGroup

	writing sync.Mutex // one answer at a time

	mu       sync.Mutex // guards what follows, and that no deadline is set after it
	until    time.Time  // the read deadline, zero for none
	stopping bool
}

func newConn(work context.Context, s *Server, nc net.Conn) *Conn {
	c := &Conn{s: s, nc: nc, addr: RemoteAddr(nc), gone: PeerClosed(nc), work: work, slots: make(chan struct{}, s.cfg.MaxPipelined)}
	if s.cfg.HalfClosed {
		c.gone = func() bool { return false }
	}
	c.inside.top = nc
	return c
}

// run serves the connection to its end. Requests that are with the Appender then are still answered.
func (c *Conn) run() {
	err := c.s.rt.Filter.Check(c.read, c.addr)
	if err == nil {
		err = c.s.serve(c)
	}
	c.requests.Wait()
	c.Close()
	c.s.conns.remove(c)
	c.s.metrics.Disconnected()
	c.s.report.Ended(c.nc.RemoteAddr(), err)
}

// RemoteAddr is the sender's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Metrics counts for the receiver.
func (c *Conn) Metrics() *receiver.Metrics { return c.s.metrics }

// Policy is what the receiver's senders do.
func (c *Conn) Policy() Policy { return c.s.cfg.Policy }

// Reporter logs for the receiver.
func (c *Conn) Reporter() *Reporter { return c.s.report }

// WaitReady waits until more may be read: until the Appender is ready (P23). Reads have no deadline then, so that the
// first byte of the next request may take as long as it likes.
func (c *Conn) WaitReady() error {
	if err := c.ready(c.read); err != nil {
		return err
	}
	if !c.setDeadline(time.Time{}) {
		return ErrStopping
	}
	return nil
}

// ready waits for the Appender (P23) while ctx, which ends with the reading, goes on. The Appender says in its own
// words why it does not wait on; here it is the stop.
func (c *Conn) ready(ctx context.Context) error {
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	err := c.s.rt.Appender.Ready(ctx)
	if err != nil && c.read.Err() != nil {
		return ErrStopping
	}
	return err
}

// Read reads what is inside the layers. Before the first byte of each it waits as long as it takes.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.inside.settled {
		return c.unwrap(p)
	}
	return c.inside.top.Read(p)
}

// Explain says what a read that ran into its deadline means, and that the connection ended in the middle of a request where
// io.EOF was wrapped as io.ErrUnexpectedEOF.
func (c *Conn) Explain(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return ErrStopping
	}
	return receiver.Reject(receiver.ReasonSlow, "the request was not received within --ack-timeout of its first byte")
}

// Within makes the end of the connection within a frame an error of its own.
func UnexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write writes one answer, whole: no other comes between its bytes. A sender that does not read it is given up after
// ack-timeout.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.s.rt.AckTimeout)); err != nil {
		return 0, err
	}
	return c.inside.top.Write(p)
}

// Go runs do beside the reading; it waits while MaxPipelined such are under way.
func (c *Conn) Go(do func()) {
	c.slots <- struct{}{}
	c.requests.Go(func() {
		do()
		<-c.slots
	})
}

// setDeadline sets the read deadline, zero for none, unless reading has been stopped.
func (c *Conn) setDeadline(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return !c.stopping && c.nc.SetReadDeadline(t) == nil
}

// stopReading ends the read loop, in the middle of a frame too; answers can still be written.
func (c *Conn) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only where the connection is closed already
}

// Close closes the connection. It may be called again.
func (c *Conn) Close() {
	c.cancel()
	_ = c.nc.Close() // nothing is lost with it: what was answered is in the socket
}

// quiet reports whether a connection's end needs no word: the sender closed it, or we did.
func quiet(err error) bool {
	return err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, ErrStopping)
}
