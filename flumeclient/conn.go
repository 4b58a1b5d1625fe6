package flumeclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// ConnConfig says where a client connects to and how long it waits, whatever its protocol.
type ConnConfig struct {
	// Address is the receiver's host:port.
	Address string
	// ConnectTimeout bounds the connecting, with the TLS handshake. The default is 20 s.
	ConnectTimeout time.Duration
	// Dialer makes the connection: plain, deflated, or over TLS.
	Dialer Dialer
	// RequestTimeout bounds a request from its writing to its reply. The default is 20 s.
	RequestTimeout time.Duration
}

// DefaultConnConfig returns the defaults for an address: those of Flume's Avro sink.
func DefaultConnConfig(address string) ConnConfig {
	return ConnConfig{Address: address, ConnectTimeout: 20 * time.Second, RequestTimeout: 20 * time.Second}
}

// Validate returns an error that names every option out of its bounds.
func (c *ConnConfig) Validate() error {
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

// StatusError is a reply other than OK. It is a [receiver.ErrRejected]; the connection can be used further.
type StatusError struct {
	Status string // the protocol's own, such as FAILED; empty if the server replied with an error
	Kind   string // what the server replied with if Status is empty: "an error", "an exception"
	Text   string // that error's text
}

// Error says what the server replied.
func (e *StatusError) Error() string {
	if e.Status != "" {
		return "the server replied " + e.Status
	}
	return "the server replied with " + e.Kind + ": " + e.Text
}

// Unwrap returns receiver.ErrRejected.
func (e *StatusError) Unwrap() error { return receiver.ErrRejected }

// Conn is a client's connection, with the timeouts and the errors that all protocols share. It is unsafe for concurrent
// use.
type Conn struct {
	net.Conn
	cfg    ConnConfig
	scheme string // names the protocol in errors, as in avro://HOST:PORT
}

// Connect connects. Nothing is sent, TLS aside. cfg must be valid.
func Connect(ctx context.Context, scheme string, cfg ConnConfig) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := cfg.Dialer.Dial(ctx, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s://%s: %w", scheme, cfg.Address, err)
	}
	return &Conn{conn, cfg, scheme}, nil
}

// Limit bounds the reads and writes that follow by the request timeout, and by ctx until the function that it returns
// is called.
func (c *Conn) Limit(ctx context.Context) (stop func()) {
	deadline := time.Now().Add(c.cfg.RequestTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.SetDeadline(deadline) // fails only if the connection is closed, which the next call reports
	if ctx.Done() == nil {
		return func() {}
	}
	unwatch := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return func() { unwatch() }
}

// Explain adds to an error what was being done and with which server. ctx is the one that was passed to Limit: if it is
// done, its error is the cause.
func (c *Conn) Explain(ctx context.Context, doing string, err error) error {
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	return fmt.Errorf("%s: %s://%s: %w", doing, c.scheme, c.cfg.Address, err)
}
