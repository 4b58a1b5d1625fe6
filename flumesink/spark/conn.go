package spark

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// pauseError is a poll that produced no batch over a working connection. There is nothing to ack, and the next poll
// waits, because the sink would reply the same at once.
type pauseError struct{ error }

func (e pauseError) Unwrap() error { return e.error }

// conn is one connection to a sink. It belongs to one goroutine.
type conn struct {
	p     *Poller
	s     *sink
	nc    net.Conn
	rpc   *avrorpc.Client
	gone  func() bool // the sink closed the connection
	reply []byte      // memory of the replies to ack and nack
}

func newConn(p *Poller, s *sink, nc net.Conn) *conn {
	protocol := avrorpc.Protocol{Text: protocolText, Server: serverHash, Show: true, MaxReply: p.cfg.MaxFrameBytes}
	return &conn{p: p, s: s, nc: nc, rpc: avrorpc.New(nc, protocol), gone: netserver.PeerClosed(nc)}
}

// poll gets one batch, produces it, and acks it. Nothing is requested once ctx is done; when work ends, a batch that the
// Appender has is dropped.
func (c *conn) poll(ctx, work context.Context) error {
	if err := c.p.rt.Appender.Ready(ctx); err != nil {
		return err
	}
	asked := c.s.batch()
	first, err := c.request(ctx, asked)
	if err != nil {
		return err
	}
	f, b, err := c.receive(work, first, asked)
	if err != nil {
		return err
	}
	if b.errorMsg != "" {
		f.Release()
		return c.fault(asked, b.errorMsg)
	}
	if ctx.Err() != nil { // it arrived during the stop: nothing more is received
		f.Release()
		return errors.Join(ctx.Err(), c.sendAck(work, "nack", b.sequence))
	}
	return c.produce(work, f, b)
}

// request sends getEventBatch and waits for the first byte of its reply without a limit, because a deadline would mean
// a reconnect, which leaves an open transaction behind. Once ctx is done it waits another quarter of ShutdownTimeout.
func (c *conn) request(ctx context.Context, n int) (first time.Time, err error) {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.p.rt.AckTimeout)); err != nil {
		return first, err
	}
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return first, err
	}
	if _, err := c.rpc.Start("getEventBatch", func(dst []byte) []byte { return avrobin.AppendLong(dst, int64(n)) }); err != nil {
		return first, fmt.Errorf("request events from SparkSink %s: %w", c.s.address, err)
	}
	var came atomic.Bool
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		if !came.Load() {
			_ = c.nc.SetReadDeadline(time.Now().Add(c.p.rt.ShutdownTimeout / 4)) // fails only if it is closed
		}
	})
	err = c.rpc.First()
	came.Store(true)
	if !stop() {
		<-ended // so that it does not overwrite the next deadline
	}
	if err != nil {
		if ctx.Err() != nil {
			c.p.report.Log().Info("Stopped while a SparkSink had no events; it holds the next events for its own timeout and then offers them again", "sink", c.s.address, "events", n)
		}
		return first, fmt.Errorf("wait for events from SparkSink %s: %w", c.s.address, err)
	}
	return time.Now(), nil
}

// receive reads the reply into a frame and decodes its events.
func (c *conn) receive(work context.Context, first time.Time, asked int) (*receiver.Frame, eventBatch, error) {
	deadline := first.Add(c.p.rt.AckTimeout)
	if err := c.deadline(work, deadline); err != nil {
		return nil, eventBatch{}, err
	}
	f, err := c.p.rt.Frames.Begin(work, first, deadline, 0)
	if err != nil {
		return nil, eventBatch{}, c.rejected(err)
	}
	_, result, err := c.rpc.Wait(func(b []byte) ([]byte, error) {
		if b == nil {
			return f.Bytes[:0], nil
		}
		f.Bytes = b
		err := f.Grow()
		return f.Bytes, err
	})
	if system, ok := errors.AsType[*avrorpc.SystemError](err); ok { // the sink failed to encode its error, because the text was null
		return f, eventBatch{errorMsg: system.Text}, nil
	}
	if large, ok := errors.AsType[*avrorpc.TooLargeError](err); ok {
		err = receiver.LimitExceeded(receiver.ReasonFrameBytes, "bytes in a batch", "spark.max-frame-bytes", large.Announced, c.p.cfg.MaxFrameBytes)
		c.requestFewer(asked, 0, "Batch of a SparkSink exceeds "+option.Ref("spark.max-frame-bytes")+"; requesting fewer events from now on; lower "+option.Ref("poll-batch")+" or raise the limit")
	}
	if err != nil {
		f.Release()
		return nil, eventBatch{}, c.rejected(err)
	}
	c.p.metrics.Received(len(result))
	b, err := decodeBatch(f, &c.p.cfg.Limits, result)
	if err != nil {
		f.Release()
		if err = c.rejected(err); b.sequence != "" && b.errorMsg == "" {
			err = c.returnBatch(work, b, err)
		}
		return nil, eventBatch{}, err
	}
	return f, b, nil
}

// rejected wraps the error of a batch that was not received completely, exceeds a limit, or cannot be decoded. If it
// cannot be returned, the connection is closed, and the sink offers it again after its timeout.
func (c *conn) rejected(err error) error {
	return batchError{fmt.Errorf("read a batch from SparkSink %s: %w", c.s.address, err)}
}

// batchError is a batch that could not be read.
type batchError struct{ error }

func (e batchError) Unwrap() error { return e.error }

// isRejected reports whether the receiver rejected a batch that it read.
func isRejected(err error) bool {
	unread, ok := errors.AsType[batchError](err)
	if !ok {
		return false
	}
	_, ok = errors.AsType[*receiver.RejectError](unread)
	return ok
}

// returnBatch makes the sink offer the batch again, because of err. If that fails, the error wraps both, so that a
// rejected batch is reported as one.
func (c *conn) returnBatch(work context.Context, b eventBatch, err error) error {
	if nack := c.sendAck(work, "nack", b.sequence); nack != nil {
		return fmt.Errorf("%w; %w", err, nack)
	}
	return pauseError{err}
}

// produce gives the batch to the Appender, and acks it once Kafka has it; otherwise the batch is returned to the sink.
func (c *conn) produce(work context.Context, f *receiver.Frame, b eventBatch) error {
	first, events := f.First, len(f.Events)
	var err error
	if events == 0 {
		f.Release()
	} else {
		ctx, cancel := context.WithDeadline(work, f.Deadline)
		err = c.p.rt.Appender.Append(ctx, f.Request(c.gone))
		cancel()
	}
	if err != nil {
		if errors.Is(err, receiver.ErrNotProduced) {
			c.p.report.Dropped(c.nc.RemoteAddr(), "", events, err)
		} else {
			c.p.report.Unanswered(c.nc.RemoteAddr(), events, err)
		}
		return c.returnBatch(work, b, fmt.Errorf("a batch was returned to SparkSink %s: %w", c.s.address, err))
	}
	if err := c.sendAck(work, "ack", b.sequence); err != nil {
		c.p.report.Unanswered(c.nc.RemoteAddr(), events, err)
		return err
	}
	c.p.metrics.Acknowledged(events, time.Since(first))
	c.s.acked(events)
	return nil
}

// finalTimeout bounds an ack or nack once the grace period of a stop is over.
const finalTimeout = time.Second

// deadline bounds what is read and written next; once work is done, by finalTimeout (see Poller.use).
func (c *conn) deadline(work context.Context, t time.Time) error {
	err := c.nc.SetDeadline(t)
	if err == nil && work.Err() != nil {
		err = c.nc.SetDeadline(time.Now().Add(finalTimeout))
	}
	return err
}

// maxReply bounds the reply to an ack or a nack, whose memory is reused and not charged: it is empty, or holds the text
// of an error.
const maxReply = 64 << 10

// sendAck sends ack or nack, and waits for the reply.
func (c *conn) sendAck(work context.Context, message, sequence string) error {
	if err := c.deadline(work, time.Now().Add(c.p.rt.AckTimeout)); err != nil {
		return err
	}
	_, err := c.rpc.Start(message, func(dst []byte) []byte { return avrobin.AppendBytes(dst, sequence) })
	if err == nil {
		_, _, err = c.rpc.Wait(func(b []byte) ([]byte, error) {
			if b == nil && c.reply != nil {
				return c.reply[:0], nil
			}
			if len(b) > maxReply {
				return nil, fmt.Errorf("the reply exceeds %d bytes, expected an empty reply", maxReply)
			}
			c.reply = append(make([]byte, 0, max(2*len(b), 64)), b...)
			return c.reply, nil
		})
	}
	if err != nil {
		return fmt.Errorf("%s a batch of SparkSink %s: %w", message, c.s.address, err)
	}
	return nil
}

// takeListFull is the error of Flume's channels for a transaction that takes more than their transactionCapacity. It
// would be the same for every retry.
var takeListFull = regexp.MustCompile(`Take list for \w+, capacity (\d+) full`)

// fault handles an error of the sink. If too many events were requested, fewer are requested from now on.
func (c *conn) fault(asked int, text string) error {
	if m := takeListFull.FindStringSubmatch(text); m != nil {
		capacity, _ := strconv.Atoi(m[1]) // 0 if it is not a number
		c.requestFewer(asked, capacity, "Requested batch exceeds the transactionCapacity of the sink's channel; requesting fewer events from now on; lower "+option.Ref("poll-batch")+" or raise transactionCapacity")
	} else {
		c.p.report.Warn("fault "+c.s.address, "SparkSink replied with an error", "sink", c.s.address, "err", text)
	}
	c.p.metrics.SystemError()
	return pauseError{fmt.Errorf("SparkSink %s returned an error instead of events: %s", c.s.address, text)}
}

// requestFewer requests capacity events from now on, or half as many as asked if capacity is 0, and logs why.
func (c *conn) requestFewer(asked, capacity int, why string) {
	now := c.s.requestFewer(asked, capacity)
	c.p.report.Warn("fewer "+c.s.address, why, "sink", c.s.address, "asked", asked, "now", now, "capacity", capacity)
}
