package avro

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

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// conn is one sender's connection. Its reading side is one goroutine, serve; each request that is with the Appender is
// another, which writes its own answer. The goroutines end before serve returns.
type conn struct {
	r    *Receiver
	nc   net.Conn
	addr netip.Addr
	gone func() bool
	in   input

	work   context.Context    // ends when requests with the Appender are given up: at most ShutdownTimeout after the stop
	read   context.Context    // ends with the receiver's, and when the connection is closed
	cancel context.CancelFunc // of read

	waiting     atomic.Bool   // nothing is read at the moment: only asking the socket shows that the sender has gone
	established bool          // BOTH or CLIENT was answered
	slots       chan struct{} // one for each request with the Appender
	requests    sync.WaitGroup

	writing sync.Mutex // one answer at a time; guards out
	out     []byte

	mu       sync.Mutex // guards stopping, and that no deadline is set after it
	stopping bool
}

// serve reads frames until the connection ends. Requests that are with the Appender then are still answered.
func (c *conn) serve() {
	err := c.loop()
	c.in.idle()
	c.requests.Wait()
	c.close()
	c.r.ended(c, err)
}

func (c *conn) loop() error {
	for {
		f, err := c.next()
		if err != nil {
			return err
		}
		if err := c.handle(f); err != nil {
			return err
		}
	}
}

// next reads the next frame whole. io.EOF: the sender closed between frames.
func (c *conn) next() (*frame, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	if !c.setDeadline(time.Time{}) {
		return nil, errStopping
	}
	if err := c.in.wait(); err != nil {
		return nil, c.explain(err)
	}
	now := time.Now()
	// An idle connection has waited in its read; Kafka may have fallen silent meanwhile.
	if err := c.ready(); err != nil {
		return nil, err
	}
	deadline := now.Add(c.r.cfg.AckTimeout)
	if !time.Now().Before(deadline) {
		return nil, &refusal{reasonLate, errLate}
	}
	if !c.setDeadline(deadline) {
		return nil, errStopping
	}
	c.waiting.Store(true)
	f, err := c.r.buffers.begin(c.read, &c.r.cfg, c.r.admission, now)
	c.waiting.Store(false)
	if err != nil {
		return nil, err
	}
	if err := c.in.read(f); err != nil {
		f.release()
		return nil, c.explain(err)
	}
	c.r.metrics.Received(len(f.message))
	return f, nil
}

// explain says what a read that ran into its deadline means.
func (c *conn) explain(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return errStopping
	}
	return &refusal{reasonSlow, errors.New("a frame was not received within ack-timeout of its first byte")}
}

// ready waits for the Appender (P23).
func (c *conn) ready() error {
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	return c.r.appender.Ready(c.read)
}

// handle answers a frame, or gives its events to the Appender. An error closes the connection.
func (c *conn) handle(f *frame) error {
	var head []byte // the handshake of the reply
	at := 0
	first := !c.established
	if first {
		h, next, err := readHandshake(f.message)
		if err != nil {
			f.release()
			return err
		}
		at = next
		match, err := c.r.protocols.match(&h)
		head = c.r.protocols.appendHandshake(nil, match)
		if err != nil { // say why, so that the sender's own log has it, and close
			defer f.release()
			return errors.Join(&refusal{reasonProtocol, err}, c.reply(f.serial, head, noMeta, systemError(err.Error())))
		}
		if match == matchNone {
			defer f.release()
			return c.reply(f.serial, head)
		}
		c.established = true
	}
	meta := avrobin.SkipMap(f.message, at)
	if meta < 0 {
		f.release()
		return malformed("bad call metadata")
	}
	name, at := avrobin.ReadBytes(f.message, meta)
	if at < 0 {
		f.release()
		return malformed("bad message name")
	}
	var err error
	switch string(name) {
	case "":
		defer f.release()
		return c.reply(f.serial, head) // a ping
	case "append":
		err = f.single(f.message[at:])
	case "appendBatch":
		err = f.batch(f.message[at:])
	default:
		defer f.release()
		c.r.metrics.SystemError()
		name = name[:min(len(name), 256)]
		return c.reply(f.serial, head, noMeta, systemError("org.apache.avro.AvroRuntimeException: No such remote message: "+string(name)))
	}
	if err != nil {
		f.release()
		return memoryError(err)
	}
	if first { // the client may not have seen that the connection is established before this answer
		c.append(f, head)
		return nil
	}
	c.slots <- struct{}{}
	c.requests.Go(func() {
		c.append(f, head)
		<-c.slots
	})
	return nil
}

// append gives the frame's events to the Appender and answers when they are safe. What goes wrong closes the
// connection; the read loop sees that.
func (c *conn) append(f *frame, head []byte) {
	serial, first, events := f.serial, f.first, len(f.events)
	if events == 0 {
		f.release()
		if c.reply(serial, head, noMeta, statusOK) == nil {
			c.r.metrics.Answered(0, time.Since(first))
		}
		return
	}
	if reason, err := c.pointless(f); err != nil {
		f.release()
		c.r.dropped(c, reason, events, err)
		c.close()
		return
	}
	ctx, cancel := context.WithDeadline(c.work, f.deadline)
	defer cancel()
	inTime := context.AfterFunc(ctx, c.close)
	err := c.r.appender.Append(ctx, flumesink.Request{Events: f.events, Release: f.release, Gone: c.gone})
	// From here f belongs to whoever holds its Release.
	if !inTime() && err == nil {
		err = context.Cause(ctx) // acknowledged too late: the connection is closed, nobody would read the answer
	}
	if err == nil {
		err = c.reply(serial, head, noMeta, statusOK)
	}
	if err == nil {
		c.r.metrics.Answered(events, time.Since(first))
		return
	}
	c.close()
	if errors.Is(err, flumesink.ErrNotProduced) {
		c.r.dropped(c, "", events, err)
		return
	}
	c.r.unanswered(c, events, err)
}

// pointless reports why a whole request must not be produced any more (P23).
func (c *conn) pointless(f *frame) (reason string, err error) {
	if c.gone() {
		return reasonGone, errors.New("the sender has gone")
	}
	if !time.Now().Before(f.deadline) {
		return reasonLate, errLate
	}
	return "", nil
}

// reply writes one answer. A sender that does not read it is given up after ack-timeout.
func (c *conn) reply(serial uint32, buffers ...[]byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = appendReply(c.out[:0], serial, buffers...)
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.r.cfg.AckTimeout)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out)
	if cap(c.out) > bufferSizes[0] {
		c.out = nil
	}
	return err
}

// setDeadline sets the read deadline, zero for none, unless reading has been stopped.
func (c *conn) setDeadline(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.stopping && c.nc.SetReadDeadline(t) == nil
}

// stopReading ends the read loop, in the middle of a frame too; answers can still be written.
func (c *conn) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only where the connection is closed already
}

func (c *conn) close() {
	c.cancel()
	_ = c.nc.Close() // nothing is lost with it: what was answered is in the socket
}

// quiet reports whether a connection's end needs no word: the sender closed it, or we did.
func quiet(err error) bool {
	return err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, errStopping)
}
