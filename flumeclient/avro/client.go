// Package avro is a client of Flume's Avro RPC. It does what Flume's Avro sink does: appendBatch, one request at a
// time, the handshake with the first (Avro specification, "Protocol Wire Format" and "Handshake").
package avro

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/flumeclient"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/receiver"
)

// DefaultConfig returns the defaults for an address, which are those of Flume's Avro sink.
func DefaultConfig(address string) flumeclient.ConnConfig {
	return flumeclient.DefaultConnConfig(address)
}

// Client is one connection to an Avro source. After any error but a [flumeclient.StatusError] the connection is of no
// use; whether the events of a request without a reply arrived is not known. It is unsafe for concurrent use.
//
// [Client.Start] and [Client.Wait] are the two halves of [Client.Append], for callers that keep several requests in
// flight.
type Client struct {
	conn  *flumeclient.Conn
	rpc   *avrorpc.Client
	reply []byte // memory of replies, reused
}

// maxReply bounds a reply: with the server's protocol it has a few thousand bytes.
const maxReply = 4 << 20

// Dial connects. Nothing is sent before the first request, TLS aside. cfg must be valid.
func Dial(ctx context.Context, cfg flumeclient.ConnConfig) (*Client, error) {
	conn, err := flumeclient.Connect(ctx, "avro", cfg)
	if err != nil {
		return nil, err
	}
	text := flumeavro.ProtocolText
	p := avrorpc.Protocol{Text: text, Server: avrorpc.HashOf(text), MaxReply: maxReply, Verify: func(text []byte) error {
		if err := flumeavro.Verify(text); err != nil {
			return fmt.Errorf("the server's protocol is not Flume's: %w", err)
		}
		return nil
	}}
	return &Client{conn: conn, rpc: avrorpc.New(conn, p)}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Append sends the events in one appendBatch and waits for the reply. nil means that the server has acknowledged them.
func (c *Client) Append(ctx context.Context, events []receiver.Event) error {
	if _, err := c.Start(ctx, events); err != nil {
		return err
	}
	_, err := c.Wait(ctx)
	return err
}

// Start sends the events in one appendBatch and does not wait. Wait returns its serial with the reply. The second
// request of a connection must not be started before the reply to the first. The events may be reused when Start
// returns.
func (c *Client) Start(ctx context.Context, events []receiver.Event) (serial uint32, err error) {
	defer c.conn.Limit(ctx)()
	serial, err = c.rpc.Start("appendBatch", func(dst []byte) []byte { return flumeavro.AppendEvents(dst, events) })
	if err != nil {
		return 0, c.conn.Explain(ctx, "send a request", err)
	}
	return serial, nil
}

// Wait waits for the next reply, which may be that of any request in flight, and returns its serial. A first request
// that had to be repeated, because the server did not know our protocol, is returned with the later of its serials.
func (c *Client) Wait(ctx context.Context) (serial uint32, err error) {
	defer c.conn.Limit(ctx)()
	serial, result, err := c.rpc.Wait(c.grow)
	var system *avrorpc.SystemError
	switch {
	case errors.As(err, &system):
		return 0, &flumeclient.StatusError{Kind: "an error", Text: system.Text}
	case err != nil:
		return 0, c.conn.Explain(ctx, "read the reply", err)
	}
	return serial, status(result)
}

// grow implements avrorpc.Grow: all replies use the same memory.
func (c *Client) grow(b []byte) ([]byte, error) {
	if b == nil && c.reply != nil {
		return c.reply[:0], nil
	}
	c.reply = append(make([]byte, 0, max(2*len(b), 512)), b...)
	return c.reply, nil
}

// status reads the result of a call.
func status(result []byte) error {
	switch status, at := avrobin.ReadLong(result, 0); {
	case at < 0:
		return errors.New("the reply holds no status")
	case status == 0:
		return nil
	case status == 1:
		return &flumeclient.StatusError{Status: "FAILED"}
	default:
		return &flumeclient.StatusError{Status: "UNKNOWN"}
	}
}
