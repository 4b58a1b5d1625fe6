//go:build integration

package flume

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/certtest"
)

const truststorePassword = "changeit"

// certs is a self-signed certificate for one host name.
type certs struct {
	pair       tls.Certificate
	cert, key  string // files, PEM
	truststore string // a Java keystore that holds the certificate
}

func newCerts(t *testing.T, host string) certs {
	t.Helper()
	issued := certtest.Issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
	})
	c := certs{pair: issued.TLS()}
	c.cert, c.key = issued.Write(t, "")
	c.truststore = filepath.Join(filepath.Dir(c.cert), "trust.jks")
	out, err := exec.CommandContext(t.Context(), "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", c.cert,
		"-keystore", c.truststore, "-storetype", "JKS", "-storepass", truststorePassword).CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v: %s", err, out)
	}
	return c
}
