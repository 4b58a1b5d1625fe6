package pool

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/certtest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/textfile"
)

// authority signs certificates, and writes them where a server of another user can read them.
type authority struct {
	dir  string
	made *certtest.Certificate
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	dir, err := os.MkdirTemp("", "tls") // t.TempDir's parents are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a := &authority{dir: dir}
	a.file, _ = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign writes a certificate and its key; the authority's first is its own.
func (a *authority) sign(t *testing.T, c *x509.Certificate) (cert, key string) {
	t.Helper()
	made := certtest.Issue(t, a.made, c)
	if a.made == nil {
		a.made = made
	}
	certText, keyText := made.PEM(t)
	write := func(suffix string, text []byte) string {
		name := filepath.Join(a.dir, c.Subject.CommonName+suffix)
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return write(".pem", certText), write(".key", keyText)
}

// Each mode of --mysql-tls against a server with a private authority: what it connects to, and what it rejects.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	cert, key := ours.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"localhost"}})
	mine, myKey := ours.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "client"}})
	s := mariadbtest.Start(t, mariadbtest.Args("--ssl-ca="+ours.file, "--ssl-cert="+cert, "--ssl-key="+key))
	db := s.Database(t)
	for _, statement := range []string{
		"CREATE USER u@'%' IDENTIFIED BY 'p' REQUIRE SSL", "CREATE USER x@'%' IDENTIFIED BY 'p' REQUIRE X509",
		"GRANT ALL ON *.* TO u@'%'", "GRANT ALL ON *.* TO x@'%'",
	} {
		if err := s.Exec("", statement); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host, user, mode, ca, cert, key string
		want                            string // of the error; empty if it connects
	}{
		"no TLS at all":         {user: "u", want: "Access denied"},
		"disabled":              {user: "u", mode: TLSDisabled, want: "Access denied"},
		"preferred":             {user: "u", mode: TLSPreferred},
		"required":              {user: "u", mode: TLSRequired},
		"chain":                 {user: "u", mode: TLSVerifyCA, ca: ours.file},
		"chain of another":      {user: "u", mode: TLSVerifyCA, ca: other.file, want: "of a CA in option 'mysql-tls-ca'"},
		"unknown to the system": {user: "u", mode: TLSVerifyIdentity, host: "localhost", want: "unknown authority"},
		"name":                  {user: "u", mode: TLSVerifyIdentity, ca: ours.file, host: "localhost"},
		"another name":          {user: "u", mode: TLSVerifyIdentity, ca: ours.file, want: "127.0.0.1"},
		"certificate is wanted": {user: "x", mode: TLSVerifyCA, ca: ours.file, want: "Access denied"},
		"byte order marks":      {user: "x", mode: TLSVerifyCA, ca: marked(t, ours.file), cert: marked(t, mine), key: marked(t, myKey)},
		"certificate":           {user: "x", mode: TLSVerifyCA, ca: ours.file, cert: mine, key: myKey},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			if c.host == "" {
				c.host = "127.0.0.1"
			}
			cfg.DSN = c.user + ":p@tcp(" + net.JoinHostPort(c.host, port) + ")/" + db
			cfg.TLS, cfg.TLSCA, cfg.TLSCert, cfg.TLSKey = c.mode, c.ca, c.cert, c.key
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			p := New(cfg, nil, nil)
			defer func() { _ = p.Close() }()
			tx, err := p.Tx(t.Context(), PriorityHigh)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, expected an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			var cipher string
			if err := tx.Query(t.Context(), "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'",
				func(scan func(...any) error) error { return scan(&cipher) }); err != nil || cipher == "" {
				t.Errorf("the connection is not encrypted: %q, %v; expected other than an empty text and no error", cipher, err)
			}
		})
	}
}

// marked returns a copy of a file with a byte order mark in front.
func marked(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "marked")
	if err := os.WriteFile(to, append([]byte(textfile.BOM), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
