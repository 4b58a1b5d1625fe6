// Package pemfile reads certificates and keys from PEM files, and verifies certificate chains.
package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/sluice-etl/sluice/internal/textfile"
)

// CertPool reads the certificates of a file, of which there must be at least one.
func CertPool(path string) (*x509.CertPool, error) {
	text, err := textfile.Read(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

// KeyPair reads a certificate, with its chain, and its key.
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
// dates, and that it is a server's certificate. The first of certs is the server's, which must be there; the others are
// intermediates. Nil roots are the system's.
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
