package netserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/tlsfile"
)

// TLS is the TLS configuration of a receiver. Files are PEM, and are reloaded when they change.
type TLS struct {
	// Cert and Key are the receiver's certificate with its chain, and its key (tls-cert, tls-key): both or
	// neither. They enable TLS.
	Cert, Key string
	// ClientCA is the file of the authorities that sign clients' certificates (tls-client-ca). With it every
	// client must present one, so plain connections are rejected.
	ClientCA string
	// Required rejects plain connections (tls-required).
	Required bool
	// MinVersion is the oldest accepted version (tls-min-version): 1.0, 1.1, 1.2 or 1.3; empty means 1.2. A
	// Flume on Java 7 supports only 1.0.
	MinVersion string
	// MaxVersion is the newest accepted version (tls-max-version); empty means 1.3.
	MaxVersion string
}

var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

func (t *TLS) enabled() bool  { return t.Cert != "" }
func (t *TLS) required() bool { return t.enabled() && (t.Required || t.ClientCA != "") }

func (t *TLS) validate(receiver string) error {
	var errs []error
	name := func(of string) string { return option.Of(receiver, "tls-"+of) }
	ref := func(of string) string { return option.Ref(name(of)) }
	if err := tlsfile.ValidatePair(option.Of(receiver, "tls"), t.Cert, t.Key); err != nil {
		errs = append(errs, err)
	}
	if !t.enabled() && (t.ClientCA != "" || t.Required) {
		errs = append(errs, option.Error(name("cert"), nil, "must be set, because %s and %s require it", ref("client-ca"), ref("required")))
	}
	for _, v := range []struct{ option, version string }{{"min", t.MinVersion}, {"max", t.MaxVersion}} {
		if _, ok := tlsVersions[v.version]; v.version != "" && !ok {
			errs = append(errs, option.Error(name(v.option+"-version"), v.version, "must be 1.0, 1.1, 1.2 or 1.3"))
		}
	}
	if oldest, newest := t.versions(); len(errs) == 0 && oldest > newest {
		errs = append(errs, option.Error(name("min-version"), t.MinVersion, "must not be above %s, %q", ref("max-version"), t.MaxVersion))
	}
	return errors.Join(errs...)
}

// versions returns the oldest and the newest accepted version.
func (t *TLS) versions() (oldest, newest uint16) {
	oldest, newest = tls.VersionTLS12, tls.VersionTLS13
	if t.MinVersion != "" {
		oldest = tlsVersions[t.MinVersion]
	}
	if t.MaxVersion != "" {
		newest = tlsVersions[t.MaxVersion]
	}
	return oldest, newest
}

// checkInterval is how often the files are checked for changes, at most.
const checkInterval = time.Second

// certificates holds the TLS configuration as of the last reading of the files. It is safe for concurrent use.
type certificates struct {
	cfg    TLS
	report *Reporter

	mu      sync.Mutex // guards what follows
	now     *tls.Config
	stamps  [3]stamp
	checked time.Time
}

// stamp identifies a version of a file.
type stamp struct {
	at   time.Time
	size int64
}

// newCertificates returns nil if TLS is not enabled.
func newCertificates(cfg TLS, report *Reporter) *certificates {
	if !cfg.enabled() {
		return nil
	}
	return &certificates{cfg: cfg, report: report}
}

// serverConfig returns the configuration of one handshake, during which the files are checked for changes.
func (c *certificates) serverConfig() *tls.Config {
	oldest, newest := c.cfg.versions()
	return &tls.Config{
		MinVersion: oldest, MaxVersion: newest,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.current()
		},
	}
}

// current returns the configuration, and reloads the files if they have changed. If they cannot be read, it logs a
// warning and keeps the previous configuration, because a half-finished renewal of a certificate must not lock senders
// out.
func (c *certificates) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && time.Since(c.checked) < checkInterval {
		return c.now, nil
	}
	c.checked = time.Now()
	var stamps [3]stamp
	for i, name := range []string{c.cfg.Cert, c.cfg.Key, c.cfg.ClientCA} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	if c.now != nil && stamps == c.stamps {
		return c.now, nil
	}
	fresh, err := c.read()
	if err != nil {
		if c.now == nil {
			return nil, err
		}
		c.report.Warn("certificates", "Reloading certificates failed; keeping the previous ones", "err", err)
		return c.now, nil
	}
	if c.now != nil {
		c.report.log.Info("Certificates reloaded", "cert", c.cfg.Cert)
	}
	c.now, c.stamps = fresh, stamps
	return c.now, nil
}

func (c *certificates) read() (*tls.Config, error) {
	pair, err := tlsfile.KeyPair(c.cfg.Cert, c.cfg.Key)
	if err != nil {
		return nil, unreadable(c.cfg.Cert, c.cfg.Key, err)
	}
	oldest, newest := c.cfg.versions()
	fresh := &tls.Config{MinVersion: oldest, MaxVersion: newest, Certificates: []tls.Certificate{pair}}
	if c.cfg.ClientCA != "" {
		authorities, err := tlsfile.CertPool(c.cfg.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("read the client CA: %w", err)
		}
		fresh.ClientCAs, fresh.ClientAuth = authorities, tls.RequireAndVerifyClientCert
	}
	return fresh, nil
}
