package tlsfile

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/internal/option"
)

// Client is how a client protects its connections. The zero Client trusts the system's authorities, verifies the
// server's name, and shows no certificate.
type Client struct {
	// Option begins the names of the options, such as kafka-tls; errors name them.
	Option string
	// CA is a PEM file of the authorities that sign servers' certificates (Option-ca); empty means the system's.
	CA string
	// Cert and Key are the PEM files of the client's own certificate with its chain (Option-cert, Option-key), both or
	// neither.
	Cert, Key string
	// ServerName is the name that a server's certificate must contain. Empty means the host that is dialed, if the
	// dialer sets it, as tls.Dialer does.
	ServerName string
	// Verify is what is verified of a server's certificate.
	Verify Verify
	// MinVersion is the oldest accepted version; 0 means TLS 1.2.
	MinVersion uint16
}

// Verify is what a client verifies of a server's certificate.
type Verify int

// The values of Verify.
const (
	VerifyIdentity Verify = iota // the chain and the name
	VerifyCA                     // the chain only: for a private authority, and names that change
	VerifyNothing                // anyone on the path can read and change what is sent
)

// Validate reports a certificate without its key, or a key without its certificate.
func (c Client) Validate() error { return ValidatePair(c.Option, c.Cert, c.Key) }

// ValidatePair reports a certificate without its key, or a key without its certificate, of the options name-cert and
// name-key.
func ValidatePair(name, cert, key string) error {
	if (cert == "") == (key == "") {
		return nil
	}
	return option.Error(name+"-cert", cert, "and %s is %q: set both or neither", option.Ref(name+"-key"), key)
}

// Config reads the files. A program that calls it for each connection uses renewed certificates without a restart.
func (c Client) Config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: cmp.Or(c.MinVersion, tls.VersionTLS12), ServerName: c.ServerName}
	if c.CA != "" {
		roots, err := CertPool(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", option.Ref(c.Option+"-ca"), err)
		}
		conf.RootCAs = roots
	}
	if c.Cert != "" {
		pair, err := KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read %s and %s: %w", option.Ref(c.Option+"-cert"), option.Ref(c.Option+"-key"), err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	// InsecureSkipVerify disables crypto/tls's verification of chain and name. VerifyConnection, which is called for
	// resumed sessions too, then verifies the chain.
	conf.InsecureSkipVerify = c.Verify != VerifyIdentity
	if c.Verify == VerifyCA {
		conf.VerifyConnection = func(state tls.ConnectionState) error { return c.verifyChain(state.PeerCertificates, conf.RootCAs) }
	}
	return conf, nil
}

// verifyChain verifies a server's certificate as crypto/tls does, except for its name: signatures up to one of the
// roots, validity dates, and that it is a server certificate. The first of certs is the server's, the others are
// intermediates. Nil roots mean the system's.
func (c Client) verifyChain(certs []*x509.Certificate, roots *x509.CertPool) error {
	if len(certs) == 0 {
		return errors.New("the server sent no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, cert := range certs[1:] {
		intermediates.AddCert(cert)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("the server's certificate, of %q: %w: must be a server certificate, valid now, of a CA in %s", certs[0].Subject, err, option.Ref(c.Option+"-ca"))
	}
	return nil
}
