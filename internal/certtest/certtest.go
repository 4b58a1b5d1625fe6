// Package certtest issues certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a certificate with its key.
type Certificate struct {
	DER  []byte
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Issue creates the certificate that template describes, signed by the certificate by, or self-signed if by is nil. It
// sets the serial number and, if the template has no dates, a validity from an hour ago to an hour from now.
func Issue(t testing.TB, by *Certificate, template *x509.Certificate) *Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template.SerialNumber, template.BasicConstraintsValid = big.NewInt(now.UnixNano()), true
	if template.NotBefore.IsZero() {
		template.NotBefore = now.Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = now.Add(time.Hour)
	}
	c := &Certificate{Key: key}
	if by == nil {
		by = &Certificate{Cert: template, Key: key}
	}
	if c.DER, err = x509.CreateCertificate(rand.Reader, template, by.Cert, key.Public(), by.Key); err != nil {
		t.Fatal(err)
	}
	if c.Cert, err = x509.ParseCertificate(c.DER); err != nil {
		t.Fatal(err)
	}
	return c
}

// TLS returns the certificate in crypto/tls's form.
func (c *Certificate) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: c.Key}
}

// PEM returns the certificate and its PKCS #8 key as PEM.
func (c *Certificate) PEM(t testing.TB) (cert, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Write writes the PEM files cert.pem and key.pem, their names prefixed with prefix, to a temporary directory.
func (c *Certificate) Write(t testing.TB, prefix string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certText, keyText := c.PEM(t)
	for file, text := range map[string][]byte{cert: certText, key: keyText} {
		if err := os.WriteFile(file, append([]byte(prefix), text...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
