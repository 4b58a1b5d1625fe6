package receivertest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/certtest"
)

// Certificate writes the PEM files of a new self-signed certificate and of its key. It is valid for the duration after
// from now; with a negative duration it has expired.
func Certificate(t testing.TB, after time.Duration) (cert, key string) {
	t.Helper()
	return certtest.Issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "receiver"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(after),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}).Write(t, "")
}
