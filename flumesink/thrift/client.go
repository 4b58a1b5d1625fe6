package thrift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Protocol is how messages are encoded.
type Protocol string

// Flume's Thrift sink speaks Compact unless it is told protocol = binary.
const (
	Compact Protocol = "compact"
	Binary  Protocol = "binary"
)

// ClientConfig says where a client sends to, how, and how long it waits; the defaults are those of Flume's Thrift sink,
// and a connect time-out, which that does not have.
type ClientConfig struct {
	// Address is the receiver's host:port.
	Address string
	// Protocol is how messages are encoded.
	Protocol Protocol
	// ConnectTimeout bounds the connection's making. The default is 20 s.
	ConnectTimeout time.Duration
	// Dialer makes the connection: plain or by TLS. Flume's Thrift is never deflated.
	Dialer netserver.Dialer
	// RequestTimeout bounds a request from its writing to its answer. The default is 20 s.
	RequestTimeout time.Duration
}

// DefaultClientConfig is the defaults for an address.
func DefaultClientConfig(address string) ClientConfig {
	return ClientConfig{Address: address, Protocol: Compact, ConnectTimeout: 20 * time.Second, RequestTimeout: 20 * time.Second}
}

// Validate names every violated bound.
func (c ClientConfig) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("address %q: %w: must be host:port", c.Address, err))
	}
	if c.Protocol != Compact && c.Protocol != Binary {
		errs = append(errs, fmt.Errorf("--thrift-protocol is %q: must be compact or binary", c.Protocol))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("the connect timeout is %s: must be more than 0s", c.ConnectTimeout))
	}
	if c.RequestTimeout <= 0 {
		errs = append(errs, fmt.Errorf("the request timeout is %s: must be more than 0s", c.RequestTimeout))
	}
	if c.Dialer.Deflate != "" && c.Dialer.Deflate != netserver.NoDeflate {
		errs = append(errs, fmt.Errorf("--deflate is %s: Flume's Thrift is never deflated; send to avro://HOST:PORT instead", c.Dialer.Deflate))
	}
	return errors.Join(append(errs, c.Dialer.Validate())...)
}

// RefusedError is an answer other than OK. It is a [receiver.ErrRefused]; the connection can be used further, unless
// the server closes it.
type RefusedError struct {
	Status string // FAILED, ERROR or UNKNOWN; empty for an exception
	Text   string // an exception's text
}

// Error says what the server answered.
func (e *RefusedError) Error() string {
	if e.Status != "" {
		return "the server replied " + e.Status
	}
	return "the server replied with an exception: " + e.Text
}

// Unwrap is receiver.ErrRefused.
func (e *RefusedError) Unwrap() error { return receiver.ErrRefused }

// Client is one connection to a Thrift source, which it uses as Flume's Thrift sink does: appendBatch, one request at a
// time. After any error but a [RefusedError] the connection is of no use; whether the events of a request without an
// answer arrived is not known. It is unsafe for concurrent use.
type Client struct {
	cfg  ClientConfig
	conn net.Conn
	rpc  *thrift.TStandardClient
}

// maxAnswer bounds an answer, which has a few bytes.
const maxAnswer = 1 << 20

// Dial connects. Nothing is sent before the first request, TLS aside. cfg must be valid.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := cfg.Dialer.Dial(ctx, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to thrift://%s: %w", cfg.Address, err)
	}
	limits := &thrift.TConfiguration{MaxFrameSize: maxAnswer, MaxMessageSize: maxAnswer}
	framed := thrift.NewTFramedTransportConf(thrift.NewStreamTransportRW(conn), limits)
	var p thrift.TProtocol = thrift.NewTCompactProtocolConf(framed, limits)
	if cfg.Protocol == Binary {
		p = thrift.NewTBinaryProtocolConf(framed, limits)
	}
	return &Client{cfg: cfg, conn: conn, rpc: thrift.NewTStandardClient(p, p)}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Append sends the events in one appendBatch and waits for the answer. nil means that the server has made them safe.
func (c *Client) Append(ctx context.Context, events []receiver.Event) error {
	defer c.watch(ctx)()
	result := &batchResult{status: -1}
	_, err := c.rpc.Call(ctx, nameBatch, &batchArgs{events: events}, result)
	var exception thrift.TApplicationException
	switch {
	case errors.As(err, &exception) && aboutTheCall(exception.TypeId()):
		return &RefusedError{Text: exception.Error()}
	case err != nil:
		return c.explain(ctx, err)
	}
	switch result.status {
	case statusOK:
		return nil
	case 1:
		return &RefusedError{Status: "FAILED"}
	case 2:
		return &RefusedError{Status: "ERROR"}
	case 3:
		return &RefusedError{Status: "UNKNOWN"}
	}
	return c.explain(ctx, errors.New("the reply holds no status"))
}

// aboutTheCall reports whether an exception of that type is what the server says, and not what Apache's library makes
// of an answer that belongs to something else.
func aboutTheCall(typ int32) bool {
	return typ != thrift.WRONG_METHOD_NAME && typ != thrift.BAD_SEQUENCE_ID && typ != thrift.INVALID_MESSAGE_TYPE_EXCEPTION
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

func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	return fmt.Errorf("appendBatch: thrift://%s: %w", c.cfg.Address, err)
}
