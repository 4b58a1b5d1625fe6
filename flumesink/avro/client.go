package avro

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/listen"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// ClientConfig says where a client sends to and how long it waits; the defaults are those of Flume's Avro sink.
type ClientConfig struct {
	// Address is the receiver's host:port.
	Address string
	// ConnectTimeout bounds the connection's making. The default is 20 s.
	ConnectTimeout time.Duration
	// Dialer makes the connection: plain, deflated, by TLS.
	Dialer listen.Dialer
	// RequestTimeout bounds a request from its writing to its answer. The default is 20 s.
	RequestTimeout time.Duration
}

// DefaultClientConfig is the defaults for an address.
func DefaultClientConfig(address string) ClientConfig {
	return ClientConfig{Address: address, ConnectTimeout: 20 * time.Second, RequestTimeout: 20 * time.Second}
}

// Validate names every violated bound.
func (c ClientConfig) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address %q: %w: want host:port", c.Address, err))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("connect time-out is %s: want more than 0s", c.ConnectTimeout))
	}
	if c.RequestTimeout <= 0 {
		errs = append(errs, fmt.Errorf("request time-out is %s: want more than 0s", c.RequestTimeout))
	}
	return errors.Join(append(errs, c.Dialer.Validate())...)
}

// RefusedError is an answer other than OK. It is a [flumesink.ErrRefused]; the connection can be used further.
type RefusedError struct {
	Status string // FAILED or UNKNOWN; empty for a system error
	Text   string // a system error's text
}

// Error says what the server answered.
func (e *RefusedError) Error() string {
	if e.Status != "" {
		return "the server answered " + e.Status
	}
	return "the server answered with an error: " + e.Text
}

// Unwrap is flumesink.ErrRefused.
func (e *RefusedError) Unwrap() error { return flumesink.ErrRefused }

// Client is one connection to an Avro source, which it uses as Flume's Avro sink does: appendBatch, one request at a
// time, the handshake with the first. After any error but a [RefusedError] the connection is of no use; whether the
// events of a request without an answer arrived is not known. It is unsafe for concurrent use.
//
// [Client.Start] and [Client.Wait] are the two halves of [Client.Append], for callers that keep several requests under
// way.
type Client struct {
	cfg  ClientConfig
	conn net.Conn
	in   *bufio.Reader

	own         hash
	serial      uint32
	pending     int
	established bool
	serverHash  hash
	sendText    bool // the server did not know our hash

	out    []byte // the last request's frame
	args   int    // where its arguments begin
	answer []byte // the last answer's message
}

// Dial connects. Nothing is sent before the first request. cfg must be valid.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := cfg.Dialer.Dial(ctx, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to avro://%s: %w", cfg.Address, err)
	}
	own := newProtocols().own
	return &Client{cfg: cfg, conn: conn, in: bufio.NewReader(conn), own: own, serverHash: own}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Append sends the events in one appendBatch and waits for the answer. nil means that the server has made them safe.
func (c *Client) Append(ctx context.Context, events []flumesink.Event) error {
	if _, err := c.Start(ctx, events); err != nil {
		return err
	}
	_, err := c.Wait(ctx)
	return err
}

// Start sends the events in one appendBatch and does not wait. Its serial comes back from Wait. The first request of
// a connection must be answered before the second is started. The events may be used again when Start returns.
func (c *Client) Start(ctx context.Context, events []flumesink.Event) (serial uint32, err error) {
	if !c.established && c.pending > 0 {
		return 0, errors.New("the connection's first request has no answer yet")
	}
	c.begin()
	c.out = appendEvents(c.out, events)
	return c.serial, c.write(ctx)
}

// Wait waits for the next answer, which may be that of any request under way, and returns its serial. A first request
// that had to be repeated, because the server did not know our protocol, comes back under the later of its serials.
func (c *Client) Wait(ctx context.Context) (serial uint32, err error) {
	if c.pending == 0 {
		return 0, errors.New("no request is under way")
	}
	defer c.watch(ctx)()
	for {
		serial, at, again, err := c.read()
		if err != nil {
			return 0, c.explain(ctx, "read the answer", err)
		}
		if again { // the server wants our protocol's text: the same call once more
			args := append([]byte(nil), c.out[c.args:]...)
			c.begin()
			c.out = append(c.out, args...)
			c.pending--
			if err := c.write(ctx); err != nil {
				return 0, err
			}
			continue
		}
		c.established = true
		c.pending--
		return serial, c.status(at)
	}
}

// begin starts a frame in c.out, up to where its arguments begin. Its two buffers are those of Flume's own client.
func (c *Client) begin() {
	c.serial++
	b := binary.BigEndian.AppendUint32(c.out[:0], c.serial)
	b = binary.BigEndian.AppendUint32(b, 2)
	b = append(b, 0, 0, 0, 0)
	head := len(b)
	if !c.established {
		b = append(b, c.own[:]...)
		if c.sendText {
			b = avrobin.AppendBytes(append(b, 2), protocolText)
		} else {
			b = append(b, 0)
		}
		b = append(b, c.serverHash[:]...)
		b = append(b, 2, 0) // meta: an empty map
	}
	b = append(b, 0) // call metadata
	b = avrobin.AppendBytes(b, "appendBatch")
	binary.BigEndian.PutUint32(b[head-4:], uint32(len(b)-head))
	b = append(b, 0, 0, 0, 0)
	c.out, c.args = b, len(b)
}

func (c *Client) write(ctx context.Context) error {
	binary.BigEndian.PutUint32(c.out[c.args-4:], uint32(len(c.out)-c.args))
	defer c.watch(ctx)()
	if _, err := c.conn.Write(c.out); err != nil {
		return c.explain(ctx, "send a request", err)
	}
	c.pending++
	return nil
}

// watch bounds what follows by the request time-out, and by ctx until the function it returns is called.
func (c *Client) watch(ctx context.Context) func() {
	deadline := time.Now().Add(c.cfg.RequestTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.conn.SetDeadline(deadline) // fails only where the connection is closed; the next call tells
	if ctx.Done() == nil {
		return func() {}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

func (c *Client) explain(ctx context.Context, doing string, err error) error {
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	return fmt.Errorf("%s: avro://%s: %w", doing, c.cfg.Address, err)
}

// read reads one answer into c.answer. at is where its call metadata begins; again means that the server did not know
// our protocol and carried nothing out.
func (c *Client) read() (serial uint32, at int, again bool, err error) {
	const most = 4 << 20
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, 0, false, err
	}
	serial = binary.BigEndian.Uint32(head[:])
	c.answer = c.answer[:0]
	list := binary.BigEndian.Uint32(head[4:])
	if list == 0 || list > 1<<16 {
		return 0, 0, false, fmt.Errorf("an answer of %d buffers: is this an Avro source, without TLS and compression?", list)
	}
	for range list {
		if _, err := io.ReadFull(c.in, head[:4]); err != nil {
			return 0, 0, false, err
		}
		n, have := int64(binary.BigEndian.Uint32(head[:])), len(c.answer)
		if int64(have)+n > most {
			return 0, 0, false, fmt.Errorf("an answer of more than %d bytes", most)
		}
		c.answer = append(c.answer, make([]byte, n)...)
		if _, err := io.ReadFull(c.in, c.answer[have:]); err != nil {
			return 0, 0, false, err
		}
	}
	if c.established {
		return serial, 0, false, nil
	}
	at, again, err = c.handshake()
	return serial, at, again, err
}

// handshake reads the HandshakeResponse at the head of c.answer.
func (c *Client) handshake() (at int, again bool, err error) {
	bad := errors.New("the answer holds no handshake")
	match, at := avrobin.ReadLong(c.answer, 0)
	if at < 0 || match < 0 || match > 2 {
		return 0, false, bad
	}
	var text []byte
	for field := range 3 { // serverProtocol, serverHash, meta: each a union with null
		var branch int64
		branch, at = avrobin.ReadLong(c.answer, at)
		if at < 0 || branch < 0 || branch > 1 {
			return 0, false, bad
		}
		if branch == 0 {
			continue
		}
		switch field {
		case 0:
			text, at = avrobin.ReadBytes(c.answer, at)
		case 1:
			if len(c.answer)-at < len(c.serverHash) {
				return 0, false, bad
			}
			at += copy(c.serverHash[:], c.answer[at:])
		case 2:
			at = avrobin.SkipMap(c.answer, at)
		}
		if at < 0 {
			return 0, false, bad
		}
	}
	if text != nil {
		if err := verifyProtocol(text); err != nil {
			return 0, false, fmt.Errorf("the server's protocol is not Flume's: %w", err)
		}
	}
	if match == matchNone>>1 {
		if c.sendText {
			return 0, false, errors.New("the server does not take our protocol")
		}
		c.sendText = true
		return at, true, nil
	}
	return at, false, nil
}

// status reads the result of a call from c.answer.
func (c *Client) status(at int) error {
	at = avrobin.SkipMap(c.answer, at)
	if at < 0 || at >= len(c.answer) {
		return errors.New("the answer holds no result")
	}
	if c.answer[at] != 0 {
		text := "unknown"
		if branch, at := avrobin.ReadLong(c.answer, at+1); at > 0 && branch == 0 {
			if t, at := avrobin.ReadBytes(c.answer, at); at > 0 {
				text = string(t)
			}
		}
		return &RefusedError{Text: text}
	}
	switch status, at := avrobin.ReadLong(c.answer, at+1); {
	case at < 0:
		return errors.New("the answer holds no status")
	case status == 0:
		return nil
	case status == 1:
		return &RefusedError{Status: "FAILED"}
	default:
		return &RefusedError{Status: "UNKNOWN"}
	}
}
