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

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// ErrStopping is the error of reads and waits that end because the receiver stops.
var ErrStopping = errors.New("the receiver is stopping")

var errLate = errors.New("the request is older than " + option.Ref("ack-timeout") + ": Kafka was unavailable or slow")

// Conn is one sender's connection with its layers removed. Its reading side, WaitReady, Read and Begin, belongs to the
// goroutine that serves it; a Request's Append and End, Write and Close may be called from others. All goroutines that
// Go started end before the connection's end is reported.
type Conn struct {
	s    *Server
	nc   net.Conn // the bytes on the wire
	addr netip.Addr
	gone func() bool

	inside layers // what Read and Write pass through

	// Both contexts are stored because they end with the connection, and Read, which net/http and bufio call too, takes
	// no context.
	work   context.Context    // ends when requests that the Appender has are abandoned: ShutdownTimeout after the stop
	read   context.Context    // ends with the server's reading, and when the connection is closed
	cancel context.CancelFunc // of read

	waiting  atomic.Bool   // nothing is being read, so only polling the socket shows that the sender closed it
	slots    chan struct{} // one for each function that Go runs
	requests sync.WaitGroup

	writing sync.Mutex // one reply at a time

	mu       sync.Mutex // guards what follows, and the order of setting read deadlines
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

// run serves the connection to its end. Requests that the Appender has by then still get their replies.
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

// RemoteAddr returns the sender's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Metrics returns the receiver's metrics.
func (c *Conn) Metrics() *receiver.Metrics { return c.s.metrics }

// Policy returns the policy of the server.
func (c *Conn) Policy() Policy { return c.s.cfg.Policy }

// Reporter returns the receiver's reporter.
func (c *Conn) Reporter() *Reporter { return c.s.report }

// WaitReady waits until the Appender is ready, so that more may be read (P23). Afterwards reads have no deadline, since
// the first byte of the next request may take any time.
func (c *Conn) WaitReady() error {
	if err := c.ready(c.read); err != nil {
		return err
	}
	if !c.setDeadline(time.Time{}) {
		return ErrStopping
	}
	return nil
}

// ready waits for the Appender (P23) until ctx is done, which must be done once the connection's reading is. If the
// reading has ended, the error is ErrStopping, whichever error the Appender returns.
func (c *Conn) ready(ctx context.Context) error {
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	err := c.s.rt.Appender.Ready(ctx)
	if err != nil && c.read.Err() != nil {
		return ErrStopping
	}
	return err
}

// Read reads what is inside the layers. The first byte of each layer may take any time.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.inside.settled {
		return c.unwrap(p)
	}
	return c.inside.top.Read(p)
}

// Explain returns what the error of a read means: a deadline that passed is a slow request, or the stop. Other errors
// are returned unchanged.
func (c *Conn) Explain(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return ErrStopping
	}
	return receiver.Reject(receiver.ReasonSlow, "the request was not received within %s of its first byte", option.Ref("ack-timeout"))
}

// UnexpectedEOF maps io.EOF in the middle of a request to io.ErrUnexpectedEOF.
func UnexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write writes one reply; no other is written between its bytes. It fails if the sender does not read it within
// ack-timeout.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.s.rt.AckTimeout)); err != nil {
		return 0, err
	}
	return c.inside.top.Write(p)
}

// Go runs do concurrently with the reading. It blocks while MaxPipelined such calls are running.
func (c *Conn) Go(do func()) {
	c.slots <- struct{}{}
	c.requests.Go(func() {
		do()
		<-c.slots
	})
}

// setDeadline sets the read deadline, zero for none. It returns false if reading was stopped.
func (c *Conn) setDeadline(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return !c.stopping && c.nc.SetReadDeadline(t) == nil
}

// stopReading ends the read loop, even in the middle of a request; replies can still be written.
func (c *Conn) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only if the connection is closed already
}

// Close closes the connection. It may be called again.
func (c *Conn) Close() {
	c.cancel()
	_ = c.nc.Close() // an error loses nothing: the replies are in the socket
}

// isOrdinaryEnd reports whether the end of a connection is not worth a log line: the sender closed it, or we did.
func isOrdinaryEnd(err error) bool {
	return err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, ErrStopping)
}
