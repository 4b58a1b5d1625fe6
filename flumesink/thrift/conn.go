package thrift

import (
	"errors"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// conn is one sender's connection, served by one goroutine.
type conn struct {
	*netserver.Conn
	limits *receiver.Limits
	in     input
}

// next reads the next frame whole: its Bytes are the message. io.EOF: the sender closed between frames.
func (c *conn) next() (*receiver.Frame, error) {
	f, err := c.Next(c.in.wait, 0)
	if err != nil {
		return nil, err
	}
	if err := c.in.read(f); err != nil {
		f.Release()
		return nil, c.Explain(err)
	}
	c.Metrics().Received(len(f.Bytes))
	return f, nil
}

// handle answers a frame, or gives its events to the Appender and answers when they are safe. An error closes the
// connection.
func (c *conn) handle(f *receiver.Frame) error {
	r := reader{b: f.Bytes}
	m, err := r.message()
	if err != nil {
		f.Release()
		return err
	}
	var batch bool
	switch string(m.name) {
	case nameAppend:
		m.name = []byte(nameAppend) // the frame is the Appender's when the answer is written
	case nameBatch:
		m.name, batch = []byte(nameBatch), true
	default:
		defer f.Release()
		c.Metrics().SystemError()
		return c.answer(m.exception(nil, unknownMethod, "Invalid method name: '"+string(m.name)+"'"))
	}
	if err := arguments(f, c.limits, r, batch); err != nil {
		defer f.Release()
		var refused *receiver.Refusal
		if errors.As(err, &refused) && refused.Reason == receiver.ReasonMalformed { // the sender's own log should say why
			c.Metrics().SystemError()
			return errors.Join(err, c.answer(m.exception(nil, protocolError, err.Error())))
		}
		return err
	}
	if err := f.Unpack(c.limits); err != nil {
		f.Release()
		return err
	}
	c.Append(f, func() error { return c.answer(m.ok(nil)) })
	return nil
}

func (c *conn) answer(frame []byte) error {
	_, err := c.Write(frame)
	return err
}
