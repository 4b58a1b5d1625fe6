package http

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// lend writes the certificate of a test server to files, and returns a client that trusts it.
func lend(t *testing.T) (server *httptest.Server, certFile, keyFile string) {
	t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(lender.Close)
	own := lender.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lender, certFile, keyFile
}

// One port accepts TLS and plain connections, and connections are reused; with -tls-required plain ones are closed.
func TestReceiver_tls(t *testing.T) {
	t.Parallel()
	lender, certFile, keyFile := lend(t)
	for name, required := range map[string]bool{"beside plain": false, "required": true} {
		t.Run(name, func(t *testing.T) {
			k := &kafka{}
			g := start(t, k, func(c *Config, _ *receiver.Runtime) {
				c.TLS.Cert, c.TLS.Key, c.TLS.Required = certFile, keyFile, required
			})
			for range 2 {
				q := g.request(http.MethodPost, `[{"body":"x"}]`)
				q.URL.Scheme = "https"
				if a := do(t, lender.Client(), q); a.status != http.StatusOK {
					t.Errorf("reply %+v, expected status %v", a, http.StatusOK)
				}
			}
			if n := g.Metric("etl_receiver_connections_total"); n != 1 {
				t.Errorf("%v connections, expected 1", n)
			}
			plain := g.Dial()
			plain.Send(postOf(`[{"body":"plain"}]`))
			want := []string{"x{}", "x{}"}
			if required {
				plain.Closed()
				g.Until("counted", func() bool { return g.Metric("etl_receiver_refused_total", receiver.ReasonTLS) == 1 })
			} else {
				status(plain, http.StatusOK)
				want = append(want, "plain{}")
			}
			if d := cmp.Diff(want, k.Got()); d != "" {
				t.Error(d)
			}
		})
	}
}

// A connection that is silent after its TLS handshake is closed after idle-timeout too.
func TestReceiver_idleAfterTheHandshake(t *testing.T) {
	t.Parallel()
	_, certFile, keyFile := lend(t)
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) {
		c.TLS.Cert, c.TLS.Key, c.IdleTimeout = certFile, keyFile, 500*time.Millisecond
	})
	silent, err := tls.Dial("tcp", g.Addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_ = silent.SetReadDeadline(time.Now().Add(receivertest.Timeout))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v: expected a closed connection", err)
	}
}
