package netserver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Check finds what is wrong with a certificate, its key or the client CA before the first connection does.
func TestTLS_Check(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	cert, key := receivertest.Certificate(t, year)
	expired, expiredKey := receivertest.Certificate(t, -time.Hour)
	soon, soonKey := receivertest.Certificate(t, 29*24*time.Hour)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	encrypted := write("key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	both := write("both.pem", text(expired)+text(cert))
	now := time.Now()
	for _, c := range []struct {
		tls  netserver.TLS
		now  time.Time
		want string // of the worst finding
	}{
		{netserver.TLS{}, now, ""},
		{netserver.TLS{Cert: cert, Key: key}, now, "0 option 'avro.tls-cert': {cert}: \"CN=receiver\", valid until "},
		{netserver.TLS{Cert: cert, Key: soonKey}, now, "2 option 'avro.tls-cert': read the certificate {cert} and its key {key}: tls: private key does not match public key: the key must be the one"},
		{netserver.TLS{Cert: "nowhere.pem", Key: key}, now, "2 option 'avro.tls-cert': read the certificate {cert} and its key {key}: open nowhere.pem: no such file or directory: both must be files"},
		{netserver.TLS{Cert: key, Key: cert}, now, "2 option 'avro.tls-cert': read the certificate {cert} and its key {key}: tls: "},
		{netserver.TLS{Cert: cert, Key: encrypted}, now, "2 option 'avro.tls-cert': read the certificate {cert} and its key {key}: tls: failed to parse private key: the key is encrypted"},
		{netserver.TLS{Cert: expired, Key: expiredKey}, now, "2 option 'avro.tls-cert': {cert}: the certificate of \"CN=receiver\" expired at "},
		{netserver.TLS{Cert: cert, Key: key}, now.Add(-year), "2 option 'avro.tls-cert': {cert}: the certificate of \"CN=receiver\" is not valid before "},
		{netserver.TLS{Cert: soon, Key: soonKey}, now, "1 option 'avro.tls-cert': {cert}: the certificate of \"CN=receiver\" expires at "},
		{netserver.TLS{Cert: cert, Key: key, ClientCA: "nowhere.pem"}, now, "2 option 'avro.tls-client-ca': open nowhere.pem: no such file"},
		{netserver.TLS{Cert: cert, Key: key, ClientCA: key}, now, "2 option 'avro.tls-client-ca': {key} holds no currently valid PEM certificate of a CA"},
		{netserver.TLS{Cert: cert, Key: key, ClientCA: expired}, now, "2 option 'avro.tls-client-ca': " + expired + " holds no currently valid PEM certificate of a CA"},
		{netserver.TLS{Cert: cert, Key: key, ClientCA: both}, now, "1 option 'avro.tls-client-ca': " + both + ": the certificate of \"CN=receiver\" expired at "},
	} {
		var worst string
		for _, f := range c.tls.Check("avro", c.now) {
			s := string(rune('0'+f.Level)) + " " + f.Subject + ": " + f.Text
			if worst == "" || s[0] > worst[0] {
				worst = s
			}
		}
		want := strings.NewReplacer("{cert}", c.tls.Cert, "{key}", c.tls.Key).Replace(c.want)
		if worst == "" && want == "" {
			continue
		}
		if want == "" || !strings.HasPrefix(worst, want) {
			t.Errorf("%+v:\ngot      %s\nexpected %s", c.tls, worst, want)
		}
	}
}
