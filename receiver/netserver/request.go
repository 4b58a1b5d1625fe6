package netserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// Request is one request of a connection, with its memory. A receiver takes these steps, in this order:
//
//	c.WaitReady()                      // the Appender is ready
//	…                                  // read the first byte, however long that takes
//	r, err := c.Begin(first, extra)    // from here on r has ack-timeout, unless Policy.NeverResends
//	…                                  // read into r.Frame, find its events; on an error r.Release()
//	err = r.Append()                   // nil: Kafka has acknowledged every event
//	…                                  // reply OK if err is nil
//	r.End(err)                         // counts, logs, and closes if the protocol cannot reply with an error
//
// Append takes the frame: nothing of it may be used afterwards. It is unsafe for concurrent use, but the steps after
// Begin may run on another goroutine than those before.
type Request struct {
	*receiver.Frame
	c *Conn

	// What End needs to know of the frame, which by then is the Appender's.
	first  time.Time
	events int
}

// Begin begins a request whose first byte arrived at first; what is read next has the request's deadline too. It waits
// until the Appender is ready (P23), since an idle connection has waited in its read, during which Kafka may have
// become unavailable, and for memory. extra is bytes that the caller holds for the request beside the frame. The error
// is a [receiver.RejectError] if the deadline passed, and [ErrStopping] at a stop.
func (c *Conn) Begin(first time.Time, extra int) (Request, error) {
	if c.s.cfg.NeverResends {
		return c.beginUnlimited(extra)
	}
	deadline := first.Add(c.s.rt.AckTimeout)
	if err := c.readyBy(deadline); err != nil {
		return Request{}, err
	}
	if !time.Now().Before(deadline) {
		return Request{}, &receiver.RejectError{Reason: receiver.ReasonLate, Err: errLate}
	}
	if !c.setDeadline(deadline) {
		return Request{}, ErrStopping
	}
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	f, err := c.s.rt.Frames.Begin(c.read, first, deadline, extra)
	return Request{Frame: f, c: c}, err
}

// beginUnlimited is Begin for a sender that never resends: while the server stops, it still admits what was read.
func (c *Conn) beginUnlimited(extra int) (Request, error) {
	if err := c.s.rt.Appender.Ready(c.work); err != nil {
		return Request{}, err
	}
	f, err := c.s.rt.Frames.Begin(c.work, time.Now(), time.Time{}, extra)
	return Request{Frame: f, c: c}, err
}

// readyBy waits for the Appender. The deadline ends the wait only if the protocol can reply with an error. The other
// protocols have nothing to reply, and a context with a deadline would cost each of their requests two allocations.
func (c *Conn) readyBy(deadline time.Time) error {
	if !c.s.cfg.CanReplyError {
		return c.ready(c.read)
	}
	ctx, cancel := context.WithDeadline(c.read, deadline)
	defer cancel()
	err := c.ready(ctx)
	if err != nil && ctx.Err() != nil && c.read.Err() == nil {
		return &receiver.RejectError{Reason: receiver.ReasonLate, Err: fmt.Errorf("%w: %w", errLate, err)}
	}
	return err
}

// Append passes the request's events to the Appender, and returns nil when Kafka has acknowledged every event in time:
// only then may OK be replied. It neither logs nor counts; End does. A request without events is acknowledged at once.
// If the protocol cannot reply with an error, the connection is closed as soon as the deadline passes, even while the
// Appender still works on the request.
func (r *Request) Append() error {
	f, c := r.Frame, r.c
	r.first, r.events, r.Frame = f.First, len(f.Events), nil
	if r.events == 0 {
		f.Release()
		return nil
	}
	if c.s.cfg.NeverResends {
		return c.s.rt.Appender.Append(c.work, f.Request(nil))
	}
	if err := c.expired(f); err != nil {
		f.Release()
		return err
	}
	ctx, cancel := context.WithDeadline(c.work, f.Deadline)
	defer cancel()
	inTime := func() bool { return ctx.Err() == nil }
	if !c.s.cfg.CanReplyError {
		inTime = context.AfterFunc(ctx, c.Close)
	}
	err := c.s.rt.Appender.Append(ctx, f.Request(c.gone))
	if !inTime() && err == nil {
		err = context.Cause(ctx) // acknowledged too late: the sender no longer waits for the reply
	}
	return err
}

// End ends the request: err is Append's, or that of writing the reply. It is counted and logged here, and only here.
func (r *Request) End(err error) {
	c := r.c
	switch {
	case err == nil:
		c.s.metrics.Acknowledged(r.events, time.Since(r.first))
		return
	case r.events == 0:
		return // the connection broke, which its reader reports
	}
	if !c.s.cfg.CanReplyError {
		c.Close()
	}
	var expired *expiredError
	switch {
	case c.s.cfg.NeverResends:
		c.s.report.Lost(c.nc.RemoteAddr(), r.events, err)
	case errors.As(err, &expired):
		c.s.report.Dropped(c.nc.RemoteAddr(), expired.reason, r.events, err)
	case errors.Is(err, receiver.ErrNotProduced):
		c.s.report.Dropped(c.nc.RemoteAddr(), "", r.events, err)
	default:
		c.s.report.Unanswered(c.nc.RemoteAddr(), r.events, err)
	}
}

// expiredError is the error of a request that is no longer produced.
type expiredError struct {
	reason string // as a value of the label reason
	error
}

// Is reports that nothing was produced.
func (e *expiredError) Is(target error) bool { return target == receiver.ErrNotProduced }

// Unwrap returns the error without its reason.
func (e *expiredError) Unwrap() error { return e.error }

var errGone = errors.New("the sender closed the connection")

// expired returns why a request must not be produced any more (P23), or nil.
func (c *Conn) expired(f *receiver.Frame) error {
	if c.gone() {
		return &expiredError{receiver.ReasonGone, errGone}
	}
	if !time.Now().Before(f.Deadline) {
		return &expiredError{receiver.ReasonLate, errLate}
	}
	return nil
}
