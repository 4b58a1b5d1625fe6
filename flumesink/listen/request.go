package listen

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-etl/sluice/flumesink"
)

// Append gives the frame's events to the Appender and calls answer when they are safe; answer writes OK. The frame
// belongs to whoever holds its Release from here on. What goes wrong closes the connection, counted and logged; the
// read loop sees that. A frame without events is answered at once.
func (c *Conn) Append(f *flumesink.Frame, answer func() error) {
	first, events := f.First, len(f.Events)
	if events == 0 {
		f.Release()
		if answer() == nil {
			c.s.metrics.Answered(0, time.Since(first))
		}
		return
	}
	if reason, err := c.pointless(f); err != nil {
		f.Release()
		c.s.says.Dropped(c.nc.RemoteAddr(), reason, events, err)
		c.Close()
		return
	}
	ctx, cancel := context.WithDeadline(c.work, f.Deadline)
	defer cancel()
	inTime := context.AfterFunc(ctx, c.Close)
	err := c.s.appender.Append(ctx, f.Request(c.gone))
	if !inTime() && err == nil {
		err = context.Cause(ctx) // acknowledged too late: the connection is closed, nobody would read the answer
	}
	if err == nil {
		err = answer()
	}
	if err == nil {
		c.s.metrics.Answered(events, time.Since(first))
		return
	}
	c.Close()
	if errors.Is(err, flumesink.ErrNotProduced) {
		c.s.says.Dropped(c.nc.RemoteAddr(), "", events, err)
		return
	}
	c.s.says.Unanswered(c.nc.RemoteAddr(), events, err)
}

// pointless reports why a whole request must not be produced any more (P23).
func (c *Conn) pointless(f *flumesink.Frame) (reason string, err error) {
	if c.gone() {
		return flumesink.ReasonGone, errors.New("the sender has gone")
	}
	if !time.Now().Before(f.Deadline) {
		return flumesink.ReasonLate, errLate
	}
	return "", nil
}
