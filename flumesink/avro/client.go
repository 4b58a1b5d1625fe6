package avro

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// ClientConfig says where a client sends to and how long it waits; the defaults are those of Flume's Avro sink.
type ClientConfig struct {
	// Address is the receiver's host:port.
	Address string
	// ConnectTimeout bounds the connection's making. The default is 20 s.
	ConnectTimeout time.Duration
	// Dialer makes the connection: plain, deflated, by TLS.
	Dialer netserver.Dialer
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
		errs = append(errs, fmt.Errorf("address %q: %w: must be host:port", c.Address, err))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("the connect timeout is %s: must be more than 0s", c.ConnectTimeout))
	}
	if c.RequestTimeout <= 0 {
		errs = append(errs, fmt.Errorf("the request timeout is %s: must be more than 0s", c.RequestTimeout))
	}
	return errors.Join(append(errs, c.Dialer.Validate())...)
}

// RefusedError is an answer other than OK. It is a [receiver.ErrRefused]; the connection can be used further.
type RefusedError struct {
	Status string // FAILED or UNKNOWN; empty for a system error
	Text   string // a system error's text
}

// Error says what the server answered.
func (e *RefusedError) Error() string {
	if e.Status != "" {
		return "the server replied " + e.Status
	}
	return "the server replied with an error: " + e.Text
}

// Unwrap is receiver.ErrRefused.
func (e *RefusedError) Unwrap() error { return receiver.ErrRefused }

// Client is one connection to an Avro source, which it uses as Flume's Avro sink does: appendBatch, one request at a
// time, the handshake with the first. After any error but a [RefusedError] the connection is of no use; whether the
// events of a request without an answer arrived is not known. It is unsafe for concurrent use.
//
// [Client.Start] and [Client.Wait] are the two halves of [Client.Append], for callers that keep several requests under
// way.
type Client struct {
	cfg    ClientConfig
	conn   net.Conn
	rpc    *avrorpc.Client
	answer []byte // memory of answers
}

// maxAnswer bounds an answer: with the server's protocol it has a few thousand bytes.
const maxAnswer = 4 << 20

// Dial connects. Nothing is sent before the first request. cfg must be valid.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := cfg.Dialer.Dial(ctx, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to avro://%s: %w", cfg.Address, err)
	}
	p := avrorpc.Protocol{Text: protocolText, Server: avrorpc.HashOf(protocolText), MaxAnswer: maxAnswer, Verify: func(text []byte) error {
		if err := verifyProtocol(text); err != nil {
			return fmt.Errorf("the server's protocol is not Flume's: %w", err)
		}
		return nil
	}}
	return &Client{cfg: cfg, conn: conn, rpc: avrorpc.New(conn, p)}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Append sends the events in one appendBatch and waits for the answer. nil means that the server has made them safe.
func (c *Client) Append(ctx context.Context, events []receiver.Event) error {
	if _, err := c.Start(ctx, events); err != nil {
		return err
	}
	_, err := c.Wait(ctx)
	return err
}

// Start sends the events in one appendBatch and does not wait. Its serial comes back from Wait. The first request of
// a connection must be answered before the second is started. The events may be used again when Start returns.
func (c *Client) Start(ctx context.Context, events []receiver.Event) (serial uint32, err error) {
	defer c.watch(ctx)()
	serial, err = c.rpc.Start("appendBatch", func(dst []byte) []byte { return appendEvents(dst, events) })
	if err != nil {
		return 0, c.explain(ctx, "send a request", err)
	}
	return serial, nil
}

// Wait waits for the next answer, which may be that of any request under way, and returns its serial. A first request
// that had to be repeated, because the server did not know our protocol, comes back under the later of its serials.
func (c *Client) Wait(ctx context.Context) (serial uint32, err error) {
	defer c.watch(ctx)()
	serial, result, err := c.rpc.Wait(c.room)
	var refused *avrorpc.SystemError
	switch {
	case errors.As(err, &refused):
		return 0, &RefusedError{Text: refused.Text}
	case err != nil:
		return 0, c.explain(ctx, "read the reply", err)
	}
	return serial, status(result)
}

// room gives answers the same memory again and again.
func (c *Client) room(b []byte) ([]byte, error) {
	if b == nil && c.answer != nil {
		return c.answer[:0], nil
	}
	c.answer = append(make([]byte, 0, max(2*len(b), 512)), b...)
	return c.answer, nil
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

// status reads the result of a call.
func status(result []byte) error {
	switch status, at := avrobin.ReadLong(result, 0); {
	case at < 0:
		return errors.New("the reply holds no status")
	case status == 0:
		return nil
	case status == 1:
		return &RefusedError{Status: "FAILED"}
	default:
		return &RefusedError{Status: "UNKNOWN"}
	}
}
