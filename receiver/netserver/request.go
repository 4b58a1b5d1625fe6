package netserver

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// Append gives the frame's events to the Appender and calls answer when they are safe; answer writes OK. The frame
// belongs to whoever holds its Release from here on. What goes wrong closes the connection, counted and logged; the
// read loop sees that. A frame without events is answered at once.
func (c *Conn) Append(f *receiver.Frame, answer func() error) { _ = c.submit(f, answer, c.Close) }

// Submit is Append for a protocol that can say that something went wrong: the connection stays, and where answer was
// not called, or failed, the error is why. It is counted and logged.
func (c *Conn) Submit(f *receiver.Frame, answer func() error) error {
	return c.submit(f, answer, func() {})
}

// submit calls failed before what went wrong is told, and when the request's time is over.
func (c *Conn) submit(f *receiver.Frame, answer func() error, failed func()) error {
	first, events := f.First, len(f.Events)
	if events == 0 {
		f.Release()
		err := answer()
		if err == nil {
			c.s.metrics.Answered(0, time.Since(first))
		}
		return err
	}
	if reason, err := c.pointless(f); err != nil {
		f.Release()
		c.s.says.Dropped(c.nc.RemoteAddr(), reason, events, err)
		failed()
		return err
	}
	ctx, cancel := context.WithDeadline(c.work, f.Deadline)
	defer cancel()
	inTime := context.AfterFunc(ctx, failed)
	err := c.s.rt.Appender.Append(ctx, f.Request(c.gone))
	if !inTime() && err == nil {
		err = context.Cause(ctx) // acknowledged too late: nobody waits for the answer any more
	}
	if err == nil {
		err = answer()
	}
	if err == nil {
		c.s.metrics.Answered(events, time.Since(first))
		return nil
	}
	failed()
	if errors.Is(err, receiver.ErrNotProduced) {
		c.s.says.Dropped(c.nc.RemoteAddr(), "", events, err)
		return err
	}
	c.s.says.Unanswered(c.nc.RemoteAddr(), events, err)
	return err
}

// Keep gives the frame's events to the Appender for a sender that has no answer and so cannot send again: Kafka is
// waited for however long it takes, and whether the sender has gone is not asked. Only the receiver's stop ends it, or
// what is nobody's fault but Kafka's; the events are counted as lost then, since they may not be in Kafka. A nil error
// means that they are.
func (c *Conn) Keep(f *receiver.Frame) error {
	return Keep(c.work, c.s.rt.Appender, c.s.says, c.nc.RemoteAddr(), f)
}

// NextKept is [Conn.Next] for such a sender: what first has read waits for the Appender and for memory however long that
// takes, and a stop gives it as long as what Keep has.
func (c *Conn) NextKept(first func() error, extra int) (*receiver.Frame, error) {
	if err := c.idle(first); err != nil {
		return nil, err
	}
	if err := c.s.rt.Appender.Ready(c.work); err != nil {
		return nil, err
	}
	now := time.Now()
	return c.s.rt.Frames.Begin(c.work, now, now.Add(patience), extra)
}

// patience is how long Kafka is waited for where nobody sends again: for ever, in the Appender's terms.
const patience = 10 * 365 * 24 * time.Hour

// Keep is [Conn.Keep] for whoever has no Conn; ctx ends the waiting.
func Keep(ctx context.Context, to receiver.Appender, says *Says, remote net.Addr, f *receiver.Frame) error {
	first, events := f.First, len(f.Events)
	if events == 0 {
		f.Release()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := to.Append(ctx, f.Request(nil)); err != nil {
		says.Lost(remote, events, err)
		return err
	}
	says.metrics.Answered(events, time.Since(first))
	return nil
}

// pointless reports why a whole request must not be produced any more (P23).
func (c *Conn) pointless(f *receiver.Frame) (reason string, err error) {
	if c.gone() {
		return receiver.ReasonGone, errors.New("the sender closed the connection")
	}
	if !time.Now().Before(f.Deadline) {
		return receiver.ReasonLate, errLate
	}
	return "", nil
}
