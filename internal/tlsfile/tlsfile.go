// Package tlsfile reads certificates and keys from PEM files, and makes the TLS configuration of clients.
package tlsfile

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
