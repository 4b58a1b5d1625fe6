package flumeclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/tlsfile"
	"github.com/sluice-etl/sluice/internal/zlibconn"
)

// Dialer makes a sender's connections, wrapped as Flume's sinks wrap theirs. The zero Dialer makes plain connections.
type Dialer struct {
	// TLS enables TLS. CA is a PEM file of the authorities that sign the server's certificate; empty means the
	// system's. Flume's sinks do not check the certificate's host name. A Dialer does, unless Insecure is set: then it
	// verifies nothing.
	TLS        bool
	CA         string
	ServerName string // replaces the address's host
	Insecure   bool
	// Cert and Key are the client's own, PEM, both or neither.
	Cert, Key string
	// Deflate wraps frames in a zlib stream.
	Deflate Deflate
}

// Deflate is whether frames are in a zlib stream, and on which side of TLS.
type Deflate string

// The values of Deflate. Without TLS, inside and outside are the same.
const (
	NoDeflate      Deflate = "none"
	DeflateInside  Deflate = "inside"  // TLS(zlib(frames)): Flume up to 1.9
	DeflateOutside Deflate = "outside" // zlib(TLS(frames)): Flume from 1.10 on
)

// Validate returns an error that names every option out of its bounds.
func (d *Dialer) Validate() error {
	var errs []error
	switch d.Deflate {
	case "", NoDeflate, DeflateInside, DeflateOutside:
	default:
		errs = append(errs, option.Error("deflate", string(d.Deflate), "must be none, inside or outside"))
	}
	errs = append(errs, d.client().Validate())
	if !d.TLS && (d.CA != "" || d.Cert != "" || d.ServerName != "" || d.Insecure) {
		errs = append(errs, option.Error("tls", d.TLS, "must be true if its files, its server name or %s are set", option.Ref("tls-insecure")))
	}
	return errors.Join(errs...)
}

// Dial connects to host:port, with the TLS handshake, until ctx is done. What the server deflates is inflated without a
// bound on the ratio, because the caller chose the server.
func (d *Dialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	var nd net.Dialer
	conn, err := nd.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	top := conn
	if d.TLS && d.Deflate == DeflateOutside {
		top = zlibconn.New(top, 1<<20, "")
	}
	if d.TLS {
		if top, err = d.handshake(ctx, top, address); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if d.Deflate == DeflateInside || d.Deflate == DeflateOutside && !d.TLS {
		top = zlibconn.New(top, 1<<20, "")
	}
	return top, nil
}

func (d *Dialer) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cfg, err := d.config(host)
	if err != nil {
		return nil, err
	}
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return t, nil
}

// Check validates the dialer and reads its files, as each Dial does. It exists because retrying does not fix a file.
func (d *Dialer) Check() error {
	err := d.Validate()
	if err == nil {
		_, err = d.config("")
	}
	return err
}

func (d *Dialer) config(host string) (*tls.Config, error) {
	c := d.client()
	c.ServerName = cmp.Or(c.ServerName, host)
	return c.Config()
}

// client returns what d means to package tlsfile.
func (d *Dialer) client() tlsfile.Client {
	c := tlsfile.Client{
		Option: "tls", CA: d.CA, Cert: d.Cert, Key: d.Key, ServerName: d.ServerName,
		MinVersion: tls.VersionTLS10, // old servers have no newer one
	}
	if d.Insecure {
		c.Verify = tlsfile.VerifyNothing
	}
	return c
}
