package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/sluice-etl/sluice/internal/option"
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
	bad := func(when bool, err error) {
		if when {
			errs = append(errs, err)
		}
	}
	ref := option.Ref
	bad((t.Cert == "") != (t.Key == ""), option.Error("kafka-tls-cert", t.Cert, "and %s is %q: set both or neither", ref("kafka-tls-key"), t.Key))
	bad(!t.Enabled && (t.CA != "" || t.Cert != "" || t.ServerName != "" || t.Verify == VerifyCA),
		option.Error("kafka-tls", t.Enabled, "must be true if its files, its server name or %s are given", ref("kafka-tls-verify")))
	switch t.Verify {
	case "", VerifyIdentity:
	case VerifyCA:
		bad(t.CA == "", option.Error("kafka-tls-ca", "", "must name the brokers' own CA if %s is verify-ca: the system's CAs sign certificates for anyone, so any server would be trusted", ref("kafka-tls-verify")))
		bad(t.ServerName != "", option.Error("kafka-tls-server-name", t.ServerName, "must be empty if %s is verify-ca, which compares no name", ref("kafka-tls-verify")))
	default:
		bad(true, option.Error("kafka-tls-verify", t.Verify, "must be verify-identity or verify-ca"))
	}
	return errors.Join(errs...)
}

// Warning returns what the configuration does not protect against, or an empty text.
func (t TLS) Warning() string {
	if t.Enabled && t.Verify == VerifyCA {
		return option.Ref("kafka-tls-verify") + " is verify-ca: host names in the brokers' certificates are not compared, so anyone with a certificate of a CA in " +
			option.Ref("kafka-tls-ca") + " can impersonate a broker, and read and change events; use a CA that signs only brokers' certificates"
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
			return nil, fmt.Errorf("read %s: %w", option.Ref("kafka-tls-ca"), err)
		}
		conf.RootCAs = roots
	}
	if t.Cert != "" {
		cert, err := pemfile.KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read %s and %s: %w", option.Ref("kafka-tls-cert"), option.Ref("kafka-tls-key"), err)
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
		return fmt.Errorf("the broker's certificate, of %q: %w: must be a server certificate, valid now, of a CA in %s", state.PeerCertificates[0].Subject, err, option.Ref("kafka-tls-ca"))
	}
	return nil
}
