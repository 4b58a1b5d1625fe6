// Package syslog is Flume's syslog sources: lines over TCP and datagrams over UDP (see package udp), by RFC 3164 and
// RFC 5424, with the headers that Flume sets: Facility, Severity, priority, version, timestamp (milliseconds), host,
// and flume.syslog.status if a message is Invalid or Incomplete.
//
// Unlike Flume it also accepts octet counting (RFC 6587), honours the time zone of a timestamp, sets no priority for a
// message without one (Flume sets that of the previous message), drops the carriage return before a line's end, and
// keeps bytes that are not UTF-8 unchanged.
//
// Syslog has no replies, so a sender cannot resend: what was read is kept until Kafka has it, however long that takes,
// and nothing more is read meanwhile. What the process still holds when the grace period of a stop ends counts as lost.
// Libraries for syslog are not used, because they parse a message completely or reject it, whereas Flume removes its
// head and keeps the rest as it arrived.
package syslog

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/lines"
	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// Format says how messages become events.
type Format struct {
	// KeepFields makes the whole line the body (syslog-keep-fields all); otherwise the body is what follows the host.
	KeepFields bool
	// Zone is the time zone of dates without one (RFC 3164). The default is the process's own.
	Zone *time.Location
}

// Config is a receiver's address and limits; its options begin with syslog-tcp and syslog.
type Config struct {
	netserver.Config
	Format
	// MaxLineBytes bounds a message (syslog-max-line-bytes); a longer one becomes several events. The default is
	// 2,500, as in Flume.
	MaxLineBytes int
}

// DefaultConfig returns the defaults, without an address.
func DefaultConfig() Config {
	c := Config{Config: netserver.DefaultConfig("syslog_tcp", "syslog over TCP"), MaxLineBytes: 2500}
	c.HalfClosed, c.Zone = true, time.Local //nolint:gosmopolitan // as Flume has it
	c.NeverResends = true
	return c
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), option.Range(option.Of(c.Name, "max-line-bytes"), c.MaxLineBytes, 10, 1<<20))
}

// Receiver is a syslog source over TCP.
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

func (r *Receiver) serve(c *netserver.Conn) error {
	cutter := cutter{most: r.cfg.MaxLineBytes}
	in := lines.NewReader(c, &r.limits, func(b []byte) (body, rest []byte, ok bool, err error) {
		body, rest, ok = cutter.cut(b)
		return body, rest, ok, nil
	}, cutter.more)
	for {
		f, err := in.Next()
		switch {
		case errors.Is(err, io.EOF) && in.Unfinished() > 0:
			return receiver.Reject(receiver.ReasonTruncated, "the connection ended in the middle of a message; its %d bytes are dropped, as in Flume", in.Unfinished())
		case err != nil:
			return err
		}
		if err := r.cfg.finish(f.Frame, r.cfg.MaxLineBytes, time.Now()); err != nil {
			c.Reporter().Lost(c.RemoteAddr(), len(f.Events), err)
			f.Release()
			return err
		}
		err = f.Append()
		f.End(err)
		if err != nil {
			return nil //nolint:nilerr // End reported it
		}
	}
}

// DefaultUDPConfig returns the defaults of the UDP receiver, without an address.
func DefaultUDPConfig() udp.Config {
	return udp.DefaultConfig("syslog_udp", "syslog over UDP")
}

// NewUDP returns a receiver of datagrams, each of which is a message up to the end of its first line.
func NewUDP(cfg udp.Config, format Format, rt receiver.Runtime) *udp.Receiver {
	finish := func(f *receiver.Frame) error {
		for i := range f.Events {
			if body, _, ok := (&cutter{most: 64 << 10}).cut(f.Events[i].Body); ok {
				f.Events[i].Body = body
			}
		}
		return format.finish(f, 64<<10, time.Now())
	}
	return udp.New(cfg, finish, rt)
}

// The headers' names and the status values, Flume's own.
var (
	nameFacility, nameSeverity, namePriority = []byte("Facility"), []byte("Severity"), []byte("priority")
	nameVersion, nameTimestamp, nameHost     = []byte("version"), []byte("timestamp"), []byte("host")
	nameStatus, invalid, incomplete          = []byte("flume.syslog.status"), []byte("Invalid"), []byte("Incomplete")
)

const (
	headersEach = 7
	digitsEach  = 3 + 1 + 20 // facility, severity, timestamp
)

// finish turns a frame's raw messages into events, and drops empty ones. A message of exactly most bytes was cut there.
func (c *Format) finish(f *receiver.Frame, most int, now time.Time) error {
	if err := f.GrowHeaders(headersEach * len(f.Events)); err != nil {
		return err
	}
	if err := f.Charge(digitsEach * len(f.Events)); err != nil {
		return err
	}
	digits := make([]byte, 0, digitsEach*len(f.Events))
	number := func(n int64) []byte {
		from := len(digits)
		digits = strconv.AppendInt(digits, n, 10)
		return digits[from:len(digits):len(digits)]
	}
	kept := f.Events[:0]
	for _, e := range f.Events {
		if len(e.Body) == 0 {
			continue
		}
		m := parse(e.Body, now, c.Zone)
		first := len(f.Headers)
		add := func(name, value []byte) {
			f.Headers = append(f.Headers, receiver.Header{Key: name, Value: value})
		}
		add(nameFacility, number(int64(m.priority/8)))
		add(nameSeverity, number(int64(m.priority%8)))
		if m.valid {
			add(namePriority, m.text)
		}
		if len(m.version) > 0 {
			add(nameVersion, m.version)
		}
		if m.timed {
			add(nameTimestamp, number(m.at))
		}
		if len(m.host) > 0 {
			add(nameHost, m.host)
		}
		switch {
		case !m.valid:
			add(nameStatus, invalid)
		case len(e.Body) == most:
			add(nameStatus, incomplete)
		}
		body := m.body
		if c.KeepFields {
			body = e.Body
		}
		kept = append(kept, receiver.Event{Headers: f.Headers[first:len(f.Headers):len(f.Headers)], Body: body})
	}
	f.Events = kept
	return nil
}
