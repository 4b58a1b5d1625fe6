package avro

import (
	"bytes"
	"compress/zlib"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumeclient"
	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/certtest"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// certificate writes a self-signed CA certificate for 127.0.0.1, and its key.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	return certtest.Issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}).Write(t, textfile.BOM)
}

// wrapped returns a client with a wrapped connection.
func (g *fixture) wrapped(d flumeclient.Dialer) (*avroclient.Client, error) {
	cfg := avroclient.DefaultConfig(g.Addr)
	cfg.Dialer = d
	c, err := avroclient.Dial(g.T.Context(), cfg)
	if err == nil {
		g.T.Cleanup(func() { c.Close() })
	}
	return c, err
}

// One port accepts all five: plain, zlib, TLS, TLS(zlib) as Flume up to 1.9 sends it, and zlib(TLS) as from 1.10 on.
func TestLayers_onOnePort(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	cert, key := certificate(t, "receiver")
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.TLS.Cert, c.TLS.Key = cert, key })
	var want []string
	for name, d := range map[string]flumeclient.Dialer{
		"plain": {}, "zlib": {Deflate: flumeclient.DeflateInside}, "TLS": {TLS: true, CA: cert},
		"TLS(zlib)": {TLS: true, CA: cert, Deflate: flumeclient.DeflateInside},
		"zlib(TLS)": {TLS: true, CA: cert, Deflate: flumeclient.DeflateOutside},
	} {
		c, err := g.wrapped(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, body := range []string{name, strings.Repeat(name, 20_000), name} {
			if err := c.Append(t.Context(), receivertest.Events(body)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want = append(want, body+"{}")
		}
	}
	if d := cmp.Diff(want, k.Got()); d != "" {
		t.Error(d)
	}
	if log := g.Log.String(); strings.Contains(log, "WARN") {
		t.Errorf("got %q, expected it not to contain %q", log, "WARN")
	}
}

// With a client CA, or where TLS is required, a sender without a certificate or without TLS is rejected with the
// reason.
func TestLayers_required(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "receiver")
	client, clientKey := certificate(t, "client")
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) { c.TLS = netserver.TLS{Cert: cert, Key: key, ClientCA: client} })
	c, err := g.wrapped(flumeclient.Dialer{TLS: true, CA: cert, Cert: client, Key: clientKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Append(t.Context(), receivertest.Events("a")); err != nil {
		t.Error(err)
	}
	plain := g.client()
	if err := plain.Append(t.Context(), receivertest.Events("a")); err == nil {
		t.Error("a plain connection was served")
	}
	if log := g.Rejected(receiver.ReasonTLS, 1); !strings.Contains(log, "set ssl = true in the sink") {
		t.Errorf("got %q, expected it to contain %q", log, "set ssl = true in the sink")
	}
	if c, err := g.wrapped(flumeclient.Dialer{TLS: true, CA: cert}); err == nil { // in TLS 1.3, a client learns it with its first read
		err = c.Append(t.Context(), receivertest.Events("a"))
		if err == nil {
			t.Error("a client without a certificate was served")
		}
	}
	g.Rejected(receiver.ReasonTLS, 2)
}

// The next connection gets a certificate that was renewed on disk; a half-finished renewal leaves the old one in use.
func TestLayers_certificateIsReloaded(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "old")
	newCert, newKey := certificate(t, "new")
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) { c.TLS.Cert, c.TLS.Key = cert, key })
	copyFile := func(from, to string) {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(t.TempDir(), "old.pem")
	copyFile(cert, old)
	copyFile(newCert, cert) // its key is still the old one's
	g.Until("the half renewal is noticed", func() bool {
		if _, err := g.wrapped(flumeclient.Dialer{TLS: true, CA: old}); err != nil {
			t.Fatalf("the old certificate is not shown any more: %v", err)
		}
		return strings.Contains(g.Log.String(), "Reloading certificates failed")
	})
	copyFile(newKey, key)
	g.Until("the new certificate is shown", func() bool {
		_, err := g.wrapped(flumeclient.Dialer{TLS: true, CA: newCert})
		return err == nil
	})
}

// A decompression bomb is rejected by its ratio, and good senders beside it are served.
func TestLayers_decompressionBomb(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	var bomb bytes.Buffer
	z := zlib.NewWriter(&bomb)
	head := append(receivertest.Unhex(t, "00000001 00000002"), receivertest.Unhex(t, "03000000")...) // a buffer of 48 MiB
	for _, b := range [][]byte{head, make([]byte, 40<<20)} {
		if _, err := z.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	c := g.Dial()
	go func() { _, _ = c.Write(bomb.Bytes()) }() // the receiver closes the connection meanwhile
	if log := g.Rejected(receiver.ReasonBomb, 1); !strings.Contains(log, "option 'avro.max-inflate-ratio'") {
		t.Errorf("got %q, expected it to contain %q", log, "option 'avro.max-inflate-ratio'")
	}
	if err := g.client().Append(t.Context(), receivertest.Events("a")); err != nil {
		t.Error(err)
	}
}

// --ip-filter closes a connection at once, before anything is read.
func TestReceiver_ipFilter(t *testing.T) {
	t.Parallel()
	filter, err := receiver.ParseIPFilter("deny:ip:127.*")
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, &kafka{}, func(_ *Config, rt *receiver.Runtime) { rt.Filter = filter })
	g.Dial().Closed()
	if log := g.Rejected(receiver.ReasonFiltered, 1); !strings.Contains(log, "127.0.0.1 is denied by the rule deny:ip:127.* of option 'ip-filter'") {
		t.Errorf("got %q, expected it to contain %q", log, "127.0.0.1 is denied by the rule deny:ip:127.* of option 'ip-filter'")
	}
}
