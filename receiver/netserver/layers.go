package netserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/zlibconn"
	"github.com/sluice-etl/sluice/receiver"
)

// layers is what lies between the wire and a request. Flume up to 1.9 wraps deflated frames in TLS, and Flume from 1.10
// on deflates TLS records. A layer is recognized by its first byte: 0x16 begins a TLS handshake, and 0x78 a zlib stream
// of any level. Neither can begin a request, because its length or serial would be absurd.
type layers struct {
	top     net.Conn // innermost: requests are read from it and replies are written to it
	tls     bool     // TLS was removed
	zlib    bool     // zlib was removed
	settled bool     // top reads requests
}

// unwrap reads the first bytes into p, and removes the layers that they begin. The sender may be silent before each
// layer for any time: Flume up to 1.9 starts its handshake with the first event.
func (c *Conn) unwrap(p []byte) (int, error) {
	l := &c.inside
	for {
		n, err := l.top.Read(p)
		if n == 0 {
			return 0, err
		}
		switch {
		case p[0] == 0x16 && c.s.tls != nil && !l.tls:
			l.tls = true
			err = c.promptly(func() error { return l.takeTLS(c.read, c.s.tls, p[:n]) })
		case p[0] == 0x78 && c.s.cfg.Inflate.Enabled && !l.zlib:
			l.zlib = true
			l.top = zlibconn.New(&prefixed{Conn: l.top, head: append([]byte(nil), p[:n]...)}, c.s.cfg.Inflate.MaxRatio, option.Of(c.s.cfg.Name, "max-inflate-ratio"))
		case c.s.cfg.TLS.required() && !l.tls:
			return 0, receiver.Reject(receiver.ReasonTLS, "the connection is not TLS (its first byte is %#02x), but %s or %s requires TLS: set ssl = true in the sink", p[0],
				option.Ref(option.Of(c.s.cfg.Name, "tls-required")), option.Ref(option.Of(c.s.cfg.Name, "tls-client-ca")))
		default:
			l.settled = true
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}

// promptly gives the reads and writes of do ack-timeout, and restores the previous read deadline afterwards.
func (c *Conn) promptly(do func() error) error {
	c.mu.Lock()
	until := c.until
	c.mu.Unlock()
	deadline := time.Now().Add(c.s.rt.AckTimeout)
	if !c.setDeadline(deadline) {
		return ErrStopping
	}
	_ = c.nc.SetWriteDeadline(deadline) // fails only if the connection is closed, which do reports
	if err := do(); err != nil {
		return err
	}
	if !c.setDeadline(until) {
		return ErrStopping
	}
	return nil
}

func (l *layers) takeTLS(ctx context.Context, certs *certificates, head []byte) error {
	conn := tls.Server(&prefixed{Conn: l.top, head: append([]byte(nil), head...)}, certs.serverConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		return tlsError("the TLS handshake failed", err)
	}
	l.top = tlsLayer{conn}
	return nil
}

// prefixed is a connection of which the first bytes were read already. One goroutine reads it.
type prefixed struct {
	net.Conn
	head []byte
}

// Read returns head first.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// tlsLayer turns errors of TLS itself, as opposed to those of the connection, into rejections.
type tlsLayer struct{ *tls.Conn }

// Read returns decrypted bytes.
func (t tlsLayer) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if err != nil {
		err = tlsError("TLS", err)
	}
	return n, err
}

// tlsError turns an error of TLS itself into a rejection; those of the connection are returned unchanged.
func tlsError(doing string, err error) error {
	var network net.Error
	var alert tls.AlertError
	switch {
	case errors.As(err, &alert):
		return receiver.Reject(receiver.ReasonTLS, "%s: %w", doing, err)
	case isOrdinaryEnd(err), errors.As(err, &network):
		return err
	}
	return receiver.Reject(receiver.ReasonTLS, "%s: %w", doing, err)
}
