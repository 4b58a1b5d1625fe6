package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/sluice-etl/sluice/internal/pemfile"
)

// How much of a broker's certificate is verified: the values of TLS.Verify, which are MySQL's terms.
const (
	VerifyIdentity = "verify-identity" // the chain and the host name
	VerifyCA       = "verify-ca"       // the chain only
)

// TLS configures connections to brokers. The files are read at each connection.
type TLS struct {
	Enabled bool
	// CA is a PEM file with the CA certificates that sign brokers' certificates; empty means the system's.
	CA string
	// Cert and Key are the PEM files of the client's certificate, both or neither.
	Cert, Key string
	// ServerName replaces the host name that a broker's certificate must contain.
	ServerName string
	// Verify is VerifyIdentity, or VerifyCA for brokers whose certificates do not contain their host names. Empty means
	// VerifyIdentity.
	Verify string
}

func (t TLS) validate() error {
	var errs []error
	bad := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad((t.Cert == "") != (t.Key == ""), "kafka-tls-cert is %q and kafka-tls-key is %q, must be given both or neither", t.Cert, t.Key)
	bad(!t.Enabled && (t.CA != "" || t.Cert != "" || t.ServerName != "" || t.Verify == VerifyCA),
		"kafka-tls is off, but its files, server name or kafka-tls-verify are given; turn it on")
	switch t.Verify {
	case "", VerifyIdentity:
	case VerifyCA:
		bad(t.CA == "", "kafka-tls-verify is verify-ca, and kafka-tls-ca is empty: the system's CAs sign certificates for anyone, so any server would be trusted; give the CA of the brokers with kafka-tls-ca")
		bad(t.ServerName != "", "kafka-tls-verify is verify-ca, which compares no name, and kafka-tls-server-name is %q; leave one of them out", t.ServerName)
	default:
		bad(true, "kafka-tls-verify is %q, must be verify-identity or verify-ca", t.Verify)
	}
	return errors.Join(errs...)
}

// Warning returns what the configuration does not protect against, or an empty text.
func (t TLS) Warning() string {
	if t.Enabled && t.Verify == VerifyCA {
		return "kafka-tls-verify is verify-ca: host names in the brokers' certificates are not compared, so anyone with a certificate of a CA in kafka-tls-ca can impersonate a broker, and read and change events; use a CA that signs only brokers' certificates"
	}
	return ""
}

// dial connects with the certificates that are on disk now, so that renewed ones are used without a restart.
func (t TLS) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conf, err := t.config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := tls.Dialer{Config: conf}
	return d.DialContext(ctx, network, address)
}

func (t TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		roots, err := pemfile.CertPool(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read kafka-tls-ca: %w", err)
		}
		conf.RootCAs = roots
	}
	if t.Cert != "" {
		cert, err := pemfile.KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read kafka-tls-cert and kafka-tls-key: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	if t.Verify == VerifyCA {
		roots := conf.RootCAs
		conf.InsecureSkipVerify = true // disables crypto/tls's verification of chain and name; VerifyConnection verifies the chain
		conf.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	return conf, nil
}

// verifyChain verifies what crypto/tls verifies, except for the name. It is called for resumed sessions too.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the broker sent no certificate")
	}
	err := pemfile.VerifyChain(state.PeerCertificates, roots)
	if err != nil {
		return fmt.Errorf("the broker's certificate, of %q: %w: it must be a server's, valid now, of an authority in kafka-tls-ca", state.PeerCertificates[0].Subject, err)
	}
	return nil
}
