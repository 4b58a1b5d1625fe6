// Package netcat is Flume's netcat source: over TCP each line is an event and gets the reply "OK" once Kafka has it;
// over UDP each datagram, up to the end of its first line, is an event (see package udp).
//
// As in Flume, an unterminated line is dropped when the connection ends, a carriage return stays in the body, and a
// line that is too long gets Flume's own reply and ends the connection. Unlike in Flume, a body may hold any bytes,
// UTF-8 or not, and a line that Kafka does not acknowledge in time ends the connection without a reply.
package netcat

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/lines"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Config is a receiver's address and limits; its options begin with --netcat.
type Config struct {
	netserver.Config
	// MaxLineBytes bounds a line, including its end (--netcat-max-line-bytes). The default is 512, as in Flume.
	MaxLineBytes int
}

// DefaultConfig returns the defaults, without an address.
func DefaultConfig() Config {
	c := Config{Config: netserver.DefaultConfig("netcat", "lines, as Flume's netcat source does"), MaxLineBytes: 512}
	c.HalfClosed = true
	return c
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), option.Range(option.Of(c.Name, "max-line-bytes"), c.MaxLineBytes, 2, 1<<20))
}

// Receiver is a netcat source over TCP.
type Receiver struct {
	*netserver.Server
	cfg    Config
	limits receiver.Limits
}

// New returns a receiver. cfg must be valid. Nothing is opened.
func New(cfg Config, rt receiver.Runtime) *Receiver {
	r := &Receiver{cfg: cfg, limits: receiver.DefaultLimits(cfg.Name)}
	r.Server = netserver.New(cfg.Config, r.serve, rt)
	return r
}

var ok = []byte("OK\n")

// serve replies to lines in their order: to those of a request before the next is read.
func (r *Receiver) serve(c *netserver.Conn) error {
	tooLong := lines.TooLong(option.Ref(option.Of(r.cfg.Name, "max-line-bytes")), r.cfg.MaxLineBytes)
	in := lines.NewReader(c, &r.limits, lines.Newline(r.cfg.MaxLineBytes, tooLong), lines.NewlineMore(r.cfg.MaxLineBytes))
	for {
		f, err := in.Next()
		switch {
		case errors.Is(err, tooLong):
			_, writing := fmt.Fprintf(c, "FAILED: Event exceeds the maximum length (%d chars, including newline)\n", r.cfg.MaxLineBytes)
			return errors.Join(err, writing)
		case errors.Is(err, io.EOF) && in.Unfinished() > 0:
			return receiver.Reject(receiver.ReasonTruncated, "the connection ended in the middle of a line; its %d bytes are dropped, as in Flume", in.Unfinished())
		case err != nil:
			return err
		}
		n := len(f.Events)
		if err = f.Append(); err == nil {
			_, err = c.Write(bytes.Repeat(ok, n))
		}
		f.End(err)
		if err != nil {
			return nil //nolint:nilerr // End reported it, and the connection is closed
		}
	}
}
