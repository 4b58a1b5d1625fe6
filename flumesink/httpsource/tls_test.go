package httpsource

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumesink"
)

// One port takes TLS and plain connections, and connections are used again; with -tls-required plain ones are closed.
func TestReceiver_tls(t *testing.T) {
	t.Parallel()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // of a certificate, and of a client that trusts it
	defer lender.Close()
	own := lender.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, required := range map[string]bool{"beside plain": false, "required": true} {
		t.Run(name, func(t *testing.T) {
			k := &kafka{}
			g := start(t, k, func(c *Config) { c.TLS.Cert, c.TLS.Key, c.TLS.Required = certFile, keyFile, required })
			for range 2 {
				q := g.request(http.MethodPost, `[{"body":"x"}]`)
				q.URL.Scheme = "https"
				if a := do(t, lender.Client(), q); a.status != http.StatusOK {
					t.Errorf("answer %+v", a)
				}
			}
			if n := g.Metric("etl_receiver_connections_total"); n != 1 {
				t.Errorf("%v connections", n)
			}
			plain := g.Dial()
			plain.Send(postOf(`[{"body":"plain"}]`))
			want := []string{"x{}", "x{}"}
			if required {
				plain.Closed()
				g.Until("counted", func() bool { return g.Metric("etl_receiver_refused_total", flumesink.ReasonTLS) == 1 })
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
