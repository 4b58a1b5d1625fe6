package kafkaio

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-etl/sluice/internal/certtest"
	"github.com/sluice-etl/sluice/internal/textfile"
)

// issue creates a certificate signed by issuer, or a self-signed one if issuer is nil.
func issue(t *testing.T, by *certtest.Certificate, change func(*x509.Certificate)) *certtest.Certificate {
	t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "broker"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	return certtest.Issue(t, by, c)
}

// ca makes the certificate a CA certificate with that name.
func ca(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage, c.ExtKeyUsage = name, true, x509.KeyUsageCertSign, nil
	}
}

// server returns the configuration of a server with a certificate and the intermediates that it sends.
func server(c *certtest.Certificate, intermediates ...*certtest.Certificate) *tls.Config {
	pair := c.TLS()
	for _, i := range intermediates {
		pair.Certificate = append(pair.Certificate, i.DER)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// With verify-ca the name in a broker's certificate is not verified; the rest of the chain is.
func TestTLS_verifyCA(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, ca("ours"))
	between := issue(t, root, ca("between"))
	other := issue(t, nil, ca("ours")) // another authority of the same name
	file, _ := root.Write(t, textfile.BOM)
	for name, test := range map[string]struct {
		server *tls.Config
		name   string // of the error; empty if the broker is trusted
	}{
		"no name":                       {server(issue(t, root, nil)), ""},
		"another name":                  {server(issue(t, root, func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} })), ""},
		"by an intermediate":            {server(issue(t, between, nil), between), ""},
		"an intermediate is not shown":  {server(issue(t, between, nil)), "unknown authority"},
		"another authority":             {server(issue(t, other, nil)), "authority"},
		"another authority, shown, too": {server(issue(t, other, nil), other), "authority"},
		"it signs itself":               {server(issue(t, nil, nil)), "unknown authority"},
		"by a certificate that is none": {server(issue(t, issue(t, root, nil), nil), issue(t, root, nil)), "unknown authority"},
		"expired": {server(issue(t, root, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		})), "expired"},
		"not yet valid": {server(issue(t, root, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		})), "not yet valid"},
		"a client's": {server(issue(t, root, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})), "incompatible key usage"},
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
				t.Errorf("got %v, expected it to be trusted", err)
			case test.name != "" && (err == nil || !strings.Contains(err.Error(), test.name)):
				t.Errorf("got %v, expected an error with %q", err, test.name)
			}
			for _, verify := range []string{"", VerifyIdentity} {
				conn, err := TLS{Enabled: true, CA: file, Verify: verify}.dial(t.Context(), "tcp", address)
				if err == nil {
					_ = conn.Close()
					t.Errorf("with %q a broker without our host's name is trusted", verify)
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

func TestTLS_clientsUseVerifyCA(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, ca("ours"))
	file, _ := root.Write(t, textfile.BOM)
	c := broker(t, kfake.TLS(server(issue(t, root, nil))))
	cfg := testConfig(c)
	cfg.TLS = TLS{Enabled: true, CA: file, Verify: VerifyCA}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Reachable(t.Context(), cfg, nil); err != nil {
		t.Error(err)
	}
	cfg.TLS.Verify = VerifyIdentity
	if err := Reachable(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("got %v, expected an error that names the host that the certificate does not contain", err)
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
		{TLS{Enabled: true, Verify: VerifyCA}, "'kafka-tls-ca' is empty"},
		{TLS{Enabled: true, CA: "f", ServerName: "n", Verify: VerifyCA}, `'kafka-tls-server-name' is "n"`},
		{TLS{Verify: VerifyCA, CA: "f"}, "'kafka-tls' is false"},
		{TLS{Enabled: true, Verify: "none"}, "must be verify-identity or verify-ca"},
	} {
		err := test.t.validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, expected %q", test.t, err, test.want)
		}
		if warns := test.t.Warning() != ""; warns != (test.t.Enabled && test.t.Verify == VerifyCA) {
			t.Errorf("%+v: its warning is %q, expected warns %v", test.t, test.t.Warning(), (test.t.Enabled && test.t.Verify == VerifyCA))
		}
	}
}
