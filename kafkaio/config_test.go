package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-etl/sluice/internal/certtest"
)

func TestConfig_defaultsAreValid(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfig_validateNamesEveryViolation(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Brokers = []string{"localhost"}
	cfg.Topic = "a b"
	cfg.Partitions = 0
	cfg.Replication = 0
	cfg.Start = "yesterday"
	cfg.Heartbeat = 9 * time.Second
	cfg.FetchMaxPartitionBytes = cfg.FetchMaxBytes + 1
	cfg.TLS = TLS{Cert: "c"}
	cfg.SASL = SASL{Mechanism: "GSSAPI"}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"localhost"`, `"a b"`, "'kafka-partitions' is 0", "'kafka-replication' is 0", `"yesterday"`, "9s", "33554433",
		"both or neither", "'kafka-tls' is false", `"GSSAPI"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in:\n%v", want, err)
		}
	}
}

func TestSASL_validate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		s    SASL
		ok   bool
	}{
		{"off", SASL{}, true},
		{"user without mechanism", SASL{User: "u"}, false},
		{"plain", SASL{Mechanism: Plain, User: "u", Password: "p"}, true},
		{"no password", SASL{Mechanism: Plain, User: "u"}, false},
		{"password twice", SASL{Mechanism: Plain, User: "u", Password: "p", PasswordFile: "f"}, false},
		{"no user", SASL{Mechanism: ScramSHA512, Password: "p"}, false},
	} {
		if err := test.s.validate(); (err == nil) != test.ok {
			t.Errorf("%s: got %v, expected valid: %t", test.name, err, test.ok)
		}
	}
}

// authority creates a CA and a certificate for name signed by it, as PEM files, and the server's TLS configuration.
func authority(t *testing.T, name string) (ca string, server *tls.Config) {
	t.Helper()
	issued := certtest.Issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	ca, _ = issued.Write(t, "")
	return ca, &tls.Config{Certificates: []tls.Certificate{issued.TLS()}, MinVersion: tls.VersionTLS12}
}

func TestSecurity_tlsAndSASL(t *testing.T) {
	t.Parallel()
	ca, server := authority(t, "broker.test")
	otherCA, _ := authority(t, "broker.test")
	file := filepath.Join(t.TempDir(), "password")
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			c := broker(t, kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser(mechanism, "me", "secret"))
			cfg := testConfig(c)
			cfg.TLS = TLS{Enabled: true, CA: ca, ServerName: "broker.test"}
			cfg.SASL = SASL{Mechanism: mechanism, User: "me", PasswordFile: file}
			reach := func(cfg Config) error {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				return Reachable(ctx, cfg, nil)
			}
			write(t, file, "wrong\n")
			if err := reach(cfg); err == nil {
				t.Error("a wrong password was accepted")
			}
			write(t, file, "\xef\xbb\xbfsecret\r\n") // read again at each connection, without a byte order mark and one line end
			if err := reach(cfg); err != nil {
				t.Error(err)
			}
			bad := cfg
			bad.TLS.CA = otherCA
			if err := reach(bad); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("another authority's broker: %v, expected an error that contains %q", err, "certificate")
			}
			bad = cfg
			bad.TLS.ServerName = "other.test"
			if err := reach(bad); err == nil {
				t.Error("a broker with another name was trusted")
			}
			if _, err := EnsureTopics(t.Context(), cfg, Use{Receive: true}, nil, nil); err != nil {
				t.Fatal(err)
			}
			p, _ := producer(t, cfg)
			b, _, release := request(p, "a", 10)
			if err := p.Produce(t.Context(), b, nil, release); err != nil {
				t.Error(err)
			}
			o, _ := source(t, cfg)
			wantOffsets(t, o, 10)
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
