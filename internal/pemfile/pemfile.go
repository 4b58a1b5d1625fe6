// Package pemfile reads certificates and keys from PEM files, and verifies certificate chains.
package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/sluice-etl/sluice/internal/textfile"
)

// CertPool reads the certificates of a PEM file, of which there must be at least one.
func CertPool(path string) (*x509.CertPool, error) {
	text, err := textfile.Read(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no PEM certificate", path)
	}
	return pool, nil
}

// KeyPair reads a certificate with its chain, and its key.
func KeyPair(cert, key string) (tls.Certificate, error) {
	certText, err := textfile.Read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := textfile.Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certText, keyText)
}

// VerifyChain verifies a server's certificate as crypto/tls does, except for its name: signatures up to one of the roots,
// validity dates, and that it is a server certificate. certs must not be empty; the first is the server's, the others are
// intermediates. Nil roots mean the system's.
func VerifyChain(certs []*x509.Certificate, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, cert := range certs[1:] {
		intermediates.AddCert(cert)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}
