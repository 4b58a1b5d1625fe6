package pool

import (
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/internal/tlsfile"
)

// protect configures TLS according to the mode.
func (c Config) protect(d *mysql.Config) error {
	if c.TLS == "" {
		return nil // the DSN's, or none
	}
	d.TLSConfig, d.TLS, d.AllowFallbackToPlaintext = "", nil, c.TLS == TLSPreferred
	if c.TLS == TLSDisabled {
		return nil
	}
	t := c.tlsClient()
	if c.TLS == TLSVerifyIdentity {
		host, _, err := net.SplitHostPort(d.Addr)
		if err != nil {
			host = d.Addr
		}
		t.ServerName = host
	}
	conf, err := t.Config()
	if err != nil {
		return err
	}
	d.TLS = conf
	return nil
}

// tlsClient returns what the modes mean to package tlsfile.
func (c Config) tlsClient() tlsfile.Client {
	t := tlsfile.Client{Option: "mysql-tls", CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey}
	switch c.TLS {
	case TLSPreferred, TLSRequired:
		t.Verify = tlsfile.VerifyNothing
	case TLSVerifyCA:
		t.Verify = tlsfile.VerifyCA
	}
	return t
}
