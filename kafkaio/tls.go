package kafkaio

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/tlsfile"
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
	errs := []error{t.client().Validate()}
	bad := func(when bool, err error) {
		if when {
			errs = append(errs, err)
		}
	}
	ref := option.Ref
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
	conf, err := t.client().Config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := tls.Dialer{Config: conf}
	return d.DialContext(ctx, network, address)
}

// client returns what t means to package tlsfile.
func (t TLS) client() tlsfile.Client {
	c := tlsfile.Client{Option: "kafka-tls", CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	if t.Verify == VerifyCA {
		c.Verify = tlsfile.VerifyCA
	}
	return c
}
