// Package thrift is a client of Flume's Thrift RPC. It does what Flume's Thrift sink does: appendBatch, one request at
// a time, in framed messages of the compact or the binary protocol.
package thrift

import (
	"context"
	"errors"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/sluice-etl/sluice/flumeclient"
	"github.com/sluice-etl/sluice/internal/flumethrift"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Protocol is how messages are encoded.
type Protocol string

// Flume's Thrift sink speaks Compact unless it is configured with protocol = binary.
const (
	Compact Protocol = "compact"
	Binary  Protocol = "binary"
)

// Config says where a client connects to, in which protocol, and how long it waits. Flume's Thrift is never deflated,
// so Dialer.Deflate must be empty or NoDeflate.
type Config struct {
	flumeclient.ConnConfig
	// Protocol is how messages are encoded. The default is Compact, as in Flume.
	Protocol Protocol
}

// DefaultConfig returns the defaults for an address: those of Flume's Thrift sink, and a connect timeout, which that
// sink does not have.
func DefaultConfig(address string) Config {
	return Config{ConnConfig: flumeclient.DefaultConnConfig(address), Protocol: Compact}
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	errs := []error{c.ConnConfig.Validate()}
	if c.Protocol != Compact && c.Protocol != Binary {
		errs = append(errs, option.Error("thrift-protocol", string(c.Protocol), "must be compact or binary"))
	}
	if c.Dialer.Deflate != "" && c.Dialer.Deflate != flumeclient.NoDeflate {
		errs = append(errs, option.Error("deflate", string(c.Dialer.Deflate), "must be none, because Flume's Thrift is never deflated; or send to avro://HOST:PORT"))
	}
	return errors.Join(errs...)
}

// Client is one connection to a Thrift source. After any error but a [flumeclient.StatusError] the connection is of no
// use; whether the events of a request without a reply arrived is not known. It is unsafe for concurrent use.
type Client struct {
	conn *flumeclient.Conn
	rpc  *thrift.TStandardClient
}

// maxReply bounds a reply, which has a few bytes.
const maxReply = 1 << 20

// Dial connects. Nothing is sent before the first request, TLS aside. cfg must be valid.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	conn, err := flumeclient.Connect(ctx, "thrift", cfg.ConnConfig)
	if err != nil {
		return nil, err
	}
	limits := &thrift.TConfiguration{MaxFrameSize: maxReply, MaxMessageSize: maxReply}
	framed := thrift.NewTFramedTransportConf(thrift.NewStreamTransportRW(conn), limits)
	var p thrift.TProtocol = thrift.NewTCompactProtocolConf(framed, limits)
	if cfg.Protocol == Binary {
		p = thrift.NewTBinaryProtocolConf(framed, limits)
	}
	return &Client{conn: conn, rpc: thrift.NewTStandardClient(p, p)}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Append sends the events in one appendBatch and waits for the reply. nil means that the server has acknowledged them.
func (c *Client) Append(ctx context.Context, events []receiver.Event) error {
	defer c.conn.Limit(ctx)()
	result := &flumethrift.BatchResult{Status: -1}
	_, err := c.rpc.Call(ctx, flumethrift.AppendBatch, &flumethrift.BatchArgs{Events: events}, result)
	var exception thrift.TApplicationException
	switch {
	case errors.As(err, &exception) && isServerException(exception.TypeId()):
		return &flumeclient.StatusError{Kind: "an exception", Text: exception.Error()}
	case err != nil:
		return c.conn.Explain(ctx, "appendBatch", err)
	}
	switch result.Status {
	case flumethrift.StatusOK:
		return nil
	case 1:
		return &flumeclient.StatusError{Status: "FAILED"}
	case 2:
		return &flumeclient.StatusError{Status: "ERROR"}
	case 3:
		return &flumeclient.StatusError{Status: "UNKNOWN"}
	}
	return c.conn.Explain(ctx, "appendBatch", errors.New("the reply holds no status"))
}

// isServerException reports whether an exception of that type is one that the server sent, and not what Apache's
// library returns for a reply to another request.
func isServerException(typ int32) bool {
	return typ != thrift.WRONG_METHOD_NAME && typ != thrift.BAD_SEQUENCE_ID && typ != thrift.INVALID_MESSAGE_TYPE_EXCEPTION
}
