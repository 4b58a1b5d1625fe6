package avro

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// conn is one sender's connection. One goroutine, serve, reads it. Each request that the Appender has is a goroutine of
// its own, which writes its own reply.
type conn struct {
	*netserver.Conn
	r           *Receiver
	in          input
	established bool // a handshake was answered BOTH or CLIENT
}

// next reads the next complete frame. io.EOF means that the sender closed the connection between frames.
func (c *conn) next() (*frame, error) {
	if err := c.WaitReady(); err != nil {
		return nil, err
	}
	if err := c.in.wait(); err != nil {
		return nil, c.Explain(err)
	}
	request, err := c.Begin(time.Now(), readAhead)
	if err != nil {
		return nil, err
	}
	f := &frame{Request: request}
	if err := c.in.read(f); err != nil {
		f.Release()
		return nil, c.Explain(err)
	}
	c.Metrics().Received(len(f.Bytes))
	return f, nil
}

// handle replies to a frame, or gives its events to the Appender. An error closes the connection.
func (c *conn) handle(f *frame) error {
	var head []byte // the handshake of the reply
	at := 0
	first := !c.established
	if first {
		h, next, err := readHandshake(f.Bytes)
		if err != nil {
			f.Release()
			return err
		}
		at = next
		match, wrong, err := c.r.protocols.match(f.Frame, &h)
		if err != nil {
			f.Release()
			return err
		}
		head = c.r.protocols.appendHandshake(nil, match)
		if wrong != nil { // reply with the reason, for the sender's own log, and close
			defer f.Release()
			return errors.Join(&receiver.RejectError{Reason: reasonProtocol, Err: wrong}, c.reply(f.serial, head, noMeta, systemError(wrong.Error())))
		}
		if match == matchNone {
			defer f.Release()
			return c.reply(f.serial, head)
		}
		c.established = true
	}
	meta := avrobin.SkipMap(f.Bytes, at)
	if meta < 0 {
		f.Release()
		return receiver.Malformed("bad call metadata")
	}
	name, at := avrobin.ReadBytes(f.Bytes, meta)
	if at < 0 {
		f.Release()
		return receiver.Malformed("bad message name")
	}
	var err error
	switch string(name) {
	case "":
		defer f.Release()
		return c.reply(f.serial, head) // a ping
	case "append":
		err = decodeEvent(f.Frame, &c.r.cfg.Limits, f.Bytes[at:])
	case "appendBatch":
		err = decodeEvents(f.Frame, &c.r.cfg.Limits, f.Bytes[at:])
	default:
		defer f.Release()
		c.Metrics().SystemError()
		name = name[:min(len(name), 256)]
		return c.reply(f.serial, head, noMeta, systemError("org.apache.avro.AvroRuntimeException: No such remote message: "+string(name)))
	}
	if err == nil {
		err = f.Decompress(&c.r.cfg.Limits)
	}
	if err != nil {
		f.Release()
		return err
	}
	if first { // until this reply the client does not know that the connection is established
		c.finish(f, head)
		return nil
	}
	c.Go(func() { c.finish(f, head) })
	return nil
}

// finish replies OK once Kafka has the frame's events. head is the handshake of the reply.
func (c *conn) finish(f *frame, head []byte) {
	err := f.Append()
	if err == nil {
		err = c.reply(f.serial, head, noMeta, statusOK)
	}
	f.End(err)
}

// reply writes one reply.
func (c *conn) reply(serial uint32, buffers ...[]byte) error {
	_, err := c.Write(appendReply(nil, serial, buffers...))
	return err
}
