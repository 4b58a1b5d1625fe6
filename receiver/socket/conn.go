package socket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
)

// conn is one connection to a server. It belongs to one goroutine.
type conn struct {
	r      *Reader
	s      *server
	nc     net.Conn
	buffer []byte
	cutter cutter
	begun  bool // the first bytes have arrived; only these may begin with a byte order mark
}

// read reads until the connection or ctx ends. Before each read, Kafka has acknowledged the lines of the one before. When
// work ends, lines that were read count as lost.
func (c *conn) read(ctx, work context.Context, working func()) error {
	for {
		if err := c.r.rt.Appender.Ready(ctx); err != nil {
			return c.end(err)
		}
		n, err := c.nc.Read(c.buffer)
		if n > 0 {
			working()
			c.r.metrics.Received(n)
			if err := c.take(work, c.buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return c.end(ctx.Err())
		case errors.Is(err, io.EOF):
			if c.cutter.unfinished() { // the end of the connection ends the line
				if err := c.take(work, []byte{'\n'}); err != nil {
					return err
				}
			}
			return fmt.Errorf("%s %s closed the connection", option.Ref("connect-socket"), c.s.address)
		case err != nil:
			return c.end(fmt.Errorf("read from %s %s: %w", option.Ref("connect-socket"), c.s.address, err))
		}
	}
}

// end counts an unterminated line as lost.
func (c *conn) end(err error) error {
	if c.cutter.unfinished() {
		c.r.metrics.Rejected(receiver.ReasonTruncated)
		c.r.lose(c.s, 1, "the last line was unterminated", err)
	}
	return err
}

// byteOrderMark is skipped at the beginning of what a server writes.
var byteOrderMark = []byte(textfile.BOM)

// take produces the lines that end in b. It fails only at a stop.
func (c *conn) take(work context.Context, b []byte) error {
	f, err := c.frame(work)
	if err != nil {
		return err
	}
	h := newHeldFrame(f)
	defer h.release()
	err = c.lines(f, b)
	if err != nil || len(f.Events) == 0 {
		return err
	}
	events := len(f.Events)
	c.s.change(func(st *Status) { st.Held = events })
	defer c.s.change(func(st *Status) { st.Held = 0 })
	return c.append(work, h, events)
}

// frame waits for memory without a limit, because what was read cannot be returned.
func (c *conn) frame(work context.Context) (*receiver.Frame, error) {
	for {
		now := time.Now()
		f, err := c.r.rt.Frames.Begin(work, now, now.Add(c.r.rt.AckTimeout), len(c.buffer)+cap(c.cutter.rest))
		if err == nil {
			f.Deadline = time.Time{} // no limit: the server cannot resend, and waiting for Kafka makes no duplicates
			return f, nil
		}
		if work.Err() != nil {
			c.r.lose(c.s, 1, "no memory left in the budget of bytes in flight before the stop; affects the last read, at most 64 KiB", err)
			return nil, err
		}
		c.s.failed(err)
		c.r.metrics.Rejected(receiver.ReasonMemory)
		c.r.report.Warn("memory", "Lines wait for memory in the budget of bytes in flight", "server", c.s.address, "err", err)
	}
}

// lines splits b and adds an event for each line that ends in it. The bodies are copies in f.Bytes.
func (c *conn) lines(f *receiver.Frame, b []byte) error {
	for cap(f.Bytes) < len(b)+len(c.cutter.rest) {
		if err := f.Grow(); err != nil {
			c.r.lose(c.s, 1, "no memory left in the budget of bytes in flight before the stop; affects the last read, at most 64 KiB", err)
			return err
		}
	}
	err := c.cutter.add(b, func(line []byte) error {
		if !c.begun {
			c.begun, line = true, bytes.TrimPrefix(line, byteOrderMark)
		}
		if err := f.GrowEvents(); err != nil {
			return err
		}
		from := len(f.Bytes)
		f.Bytes = append(f.Bytes, line...) // within its capacity, so earlier views stay valid
		f.Events = append(f.Events, receiver.Event{Body: f.Bytes[from:len(f.Bytes):len(f.Bytes)]})
		return nil
	}, func() {
		c.r.metrics.Rejected(receiver.ReasonBodyBytes)
		c.r.lose(c.s, 1, "longer than "+option.Ref("socket-max-line-bytes"), nil)
	})
	if err != nil {
		c.r.lose(c.s, len(f.Events)+1, "no memory left in the budget of bytes in flight before the stop", err)
	}
	return err
}

// append retries until Kafka has acknowledged the lines, or the stop is over.
func (c *conn) append(work context.Context, h *heldFrame, events int) error {
	pause := obs.NewBackoff(100*time.Millisecond, 10*time.Second)
	first := time.Now()
	for {
		err := c.r.rt.Appender.Append(work, h.request())
		if err == nil {
			c.r.metrics.Acknowledged(events, time.Since(first))
			c.s.change(func(st *Status) { st.Events, st.LastEvents = st.Events+int64(events), stamp() })
			return nil
		}
		c.s.failed(err)
		if errors.Is(err, receiver.ErrNotProduced) {
			c.r.metrics.Dropped()
		} else {
			c.r.metrics.Unanswered(events)
		}
		c.r.report.Warn("held "+c.s.address, "Kafka did not acknowledge lines; holding them and retrying", "server", c.s.address, "lines", events, "err", err)
		if !pause.Wait(work) {
			c.r.lose(c.s, events, "not acknowledged by Kafka before the stop", err)
			return err
		}
	}
}
