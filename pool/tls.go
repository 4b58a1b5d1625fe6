package pool

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/pemfile"
)

// protect configures TLS according to the mode.
func (c Config) protect(d *mysql.Config) error {
	if c.TLS == "" {
		return nil // the DSN's, or none
	}
	d.TLSConfig, d.TLS, d.AllowFallbackToPlaintext = "", nil, false
	if c.TLS == TLSDisabled {
		return nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCert != "" {
		pair, err := pemfile.KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("read mysql-tls-cert and mysql-tls-key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if c.TLSCA != "" {
		roots, err := pemfile.CertPool(c.TLSCA)
		if err != nil {
			return fmt.Errorf("read mysql-tls-ca: %w", err)
		}
		t.RootCAs = roots
	}
	switch c.TLS {
	case TLSPreferred:
		t.InsecureSkipVerify = true
		d.AllowFallbackToPlaintext = true
	case TLSRequired:
		t.InsecureSkipVerify = true
	case TLSVerifyCA:
		// The chain is verified and the name is not: for a private authority, and server names that change.
		t.InsecureSkipVerify = true
		roots := t.RootCAs
		t.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	case TLSVerifyIdentity:
		host, _, err := net.SplitHostPort(d.Addr)
		if err != nil {
			host = d.Addr
		}
		t.ServerName = host
	}
	d.TLS = t
	return nil
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	if err := pemfile.VerifyChain(state.PeerCertificates, roots); err != nil {
		return fmt.Errorf("the server's certificate, of %s: %w: name its authority with %s", state.PeerCertificates[0].Subject, err, option.Ref("mysql-tls-ca"))
	}
	return nil
}
