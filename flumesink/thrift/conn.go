package thrift

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// conn is one sender's connection, which one goroutine serves.
type conn struct {
	*netserver.Conn
	limits *receiver.Limits
	in     input
}

// next reads the next complete frame; its Bytes are the message. io.EOF means that the sender closed the connection
// between frames.
func (c *conn) next() (netserver.Request, error) {
	if err := c.WaitReady(); err != nil {
		return netserver.Request{}, err
	}
	if err := c.in.wait(); err != nil {
		return netserver.Request{}, c.Explain(err)
	}
	f, err := c.Begin(time.Now(), 0)
	if err != nil {
		return netserver.Request{}, err
	}
	if err := c.in.read(f.Frame); err != nil {
		f.Release()
		return netserver.Request{}, c.Explain(err)
	}
	c.Metrics().Received(len(f.Bytes))
	return f, nil
}

// handle replies to a frame, after the Appender has its events if it has any. An error closes the connection.
func (c *conn) handle(f netserver.Request) error {
	r := reader{b: f.Bytes}
	m, err := r.message()
	if err != nil {
		f.Release()
		return err
	}
	var batch bool
	switch string(m.name) {
	case nameAppend:
		m.name = []byte(nameAppend) // not a view: the frame is the Appender's when the reply is written
	case nameBatch:
		m.name, batch = []byte(nameBatch), true
	default:
		defer f.Release()
		c.Metrics().SystemError()
		return c.answer(m.exception(nil, unknownMethod, "Invalid method name: '"+string(m.name)+"'"))
	}
	if err := arguments(f.Frame, c.limits, r, batch); err != nil {
		defer f.Release()
		var rejected *receiver.RejectError
		if errors.As(err, &rejected) && rejected.Reason == receiver.ReasonMalformed { // for the sender's own log
			c.Metrics().SystemError()
			return errors.Join(err, c.answer(m.exception(nil, protocolError, err.Error())))
		}
		return err
	}
	if err := f.Decompress(c.limits); err != nil {
		f.Release()
		return err
	}
	err = f.Append()
	if err == nil {
		err = c.answer(m.ok(nil))
	}
	f.End(err)
	return nil
}

func (c *conn) answer(frame []byte) error {
	_, err := c.Write(frame)
	return err
}
