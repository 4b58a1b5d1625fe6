package kafkaio

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// issued is a certificate with its key, which may sign others.
type issued struct {
	der  []byte
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate by the issuer, or one that signs itself where that is nil.
func issue(t *testing.T, by *issued, change func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	made := &issued{key: key}
	if by == nil {
		by = &issued{cert: c, key: key}
	}
	if made.der, err = x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key); err != nil {
		t.Fatal(err)
	}
	if made.cert, err = x509.ParseCertificate(made.der); err != nil {
		t.Fatal(err)
	}
	return made
}

// ca makes a certificate one of an authority of that name.
func ca(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage, c.ExtKeyUsage = name, true, x509.KeyUsageCertSign, nil
	}
}

func (i *issued) pem(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, byteOrderMark+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.der})))
	return file
}

func (i *issued) server(between ...*issued) *tls.Config {
	chain := [][]byte{i.der}
	for _, b := range between {
		chain = append(chain, b.der)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: i.key}}, MinVersion: tls.VersionTLS12}
}

// With verify-ca the name in a broker's certificate is not compared; everything else of the chain is.
func TestTLS_verifyCA(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, ca("ours"))
	between := issue(t, root, ca("between"))
	other := issue(t, nil, ca("ours")) // another authority of the same name
	file := root.pem(t)
	for name, test := range map[string]struct {
		server *tls.Config
		name   string // of the error; empty where it is believed
	}{
		"no name":                       {issue(t, root, nil).server(), ""},
		"another name":                  {issue(t, root, func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} }).server(), ""},
		"by an intermediate":            {issue(t, between, nil).server(between), ""},
		"an intermediate is not shown":  {issue(t, between, nil).server(), "unknown authority"},
		"another authority":             {issue(t, other, nil).server(), "authority"},
		"another authority, shown, too": {issue(t, other, nil).server(other), "authority"},
		"it signs itself":               {issue(t, nil, nil).server(), "unknown authority"},
		"by a certificate that is none": {issue(t, issue(t, root, nil), nil).server(issue(t, root, nil)), "unknown authority"},
		"expired": {issue(t, root, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		}).server(), "expired"},
		"not yet valid": {issue(t, root, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		}).server(), "not yet valid"},
		"a client's": {issue(t, root, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}).server(), "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serveTLS(t, test.server)
			conn, err := TLS{Enabled: true, CA: file, Verify: VerifyCA}.dial(t.Context(), "tcp", address)
			if conn != nil {
				_ = conn.Close()
			}
			switch {
			case test.name == "" && err != nil:
				t.Errorf("got %v, expected it to be believed", err)
			case test.name != "" && (err == nil || !strings.Contains(err.Error(), test.name)):
				t.Errorf("got %v, expected an error with %q", err, test.name)
			}
			for _, verify := range []string{"", VerifyIdentity} {
				conn, err := TLS{Enabled: true, CA: file, Verify: verify}.dial(t.Context(), "tcp", address)
				if err == nil {
					_ = conn.Close()
					t.Errorf("with %q a broker without our host's name is believed", verify)
				}
			}
		})
	}
}

// serveTLS completes handshakes until the test ends.
func serveTLS(t *testing.T, conf *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).HandshakeContext(t.Context()) // the other side says what is wrong
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().(*net.TCPAddr).String()
}

func TestTLS_verifyCAIsWhatTheClientsUse(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, ca("ours"))
	c := broker(t, kfake.TLS(issue(t, root, nil).server()))
	cfg := testConfig(c)
	cfg.TLS = TLS{Enabled: true, CA: root.pem(t), Verify: VerifyCA}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Reachable(t.Context(), cfg, nil); err != nil {
		t.Error(err)
	}
	cfg.TLS.Verify = VerifyIdentity
	if err := Reachable(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("got %v, expected an error that names the host that the certificate does not carry", err)
	}
}

func TestTLS_validateVerify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		t    TLS
		want string
	}{
		{TLS{Enabled: true, CA: "f", Verify: VerifyCA}, ""},
		{TLS{Enabled: true, Verify: VerifyIdentity}, ""},
		{TLS{}, ""},
		{TLS{Verify: VerifyIdentity}, ""},
		{TLS{Enabled: true, Verify: VerifyCA}, "kafka-tls-ca is empty"},
		{TLS{Enabled: true, CA: "f", ServerName: "n", Verify: VerifyCA}, `kafka-tls-server-name is "n"`},
		{TLS{Verify: VerifyCA, CA: "f"}, "kafka-tls is off"},
		{TLS{Enabled: true, Verify: "none"}, "must be verify-identity or verify-ca"},
	} {
		err := test.t.validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, expected %q", test.t, err, test.want)
		}
		if warns := test.t.Warning() != ""; warns != (test.t.Enabled && test.t.Verify == VerifyCA) {
			t.Errorf("%+v: its warning is %q", test.t, test.t.Warning())
		}
	}
}
