package pool

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/go-sql-driver/mysql"
)

// protect sets TLS as the mode says.
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
		pair, err := keyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("read mysql-tls-cert and mysql-tls-key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if c.TLSCA != "" {
		text, err := readPEM(c.TLSCA)
		if err != nil {
			return fmt.Errorf("read mysql-tls-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("mysql-tls-ca %s holds no PEM certificate", c.TLSCA)
		}
	}
	switch c.TLS {
	case TLSPreferred:
		t.InsecureSkipVerify = true
		d.AllowFallbackToPlaintext = true
	case TLSRequired:
		t.InsecureSkipVerify = true
	case TLSVerifyCA:
		// The name is not looked at, the chain is: with a private authority, behind names that change.
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
		return errors.New("the server showed no certificate")
	}
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return fmt.Errorf("the server's certificate, of %s: %w: name its authority by --mysql-tls-ca", state.PeerCertificates[0].Subject, err)
	}
	return nil
}

// readPEM reads a file without the byte order mark that may stand in front, behind which no PEM block begins.
func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), err
}

// keyPair reads a certificate and its key.
func keyPair(cert, key string) (tls.Certificate, error) {
	certText, err := readPEM(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := readPEM(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certText, keyText)
}
