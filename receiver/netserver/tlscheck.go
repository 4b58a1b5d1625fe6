package netserver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Finding is the result of checking one thing that a receiver needs.
type Finding struct {
	Subject string // a reference to the option
	Text    string
	Level   Level
}

// Level is the severity of a finding.
type Level int

// The levels.
const (
	Fine    Level = iota
	Warning       // works, but will soon fail, or fails for some clients
	Failed        // does not work
)

// soon is how long before a certificate's expiry it is a warning.
const soon = 30 * 24 * time.Hour

// Check reads the files as the first connection would, and checks the validity of the certificates at time now.
// receiver is the receiver's name.
func (t *TLS) Check(receiver string, now time.Time) []Finding {
	if !t.enabled() {
		return nil
	}
	cert := option.Ref(option.Of(receiver, "tls-cert"))
	var all []Finding
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		all = append(all, Finding{cert, unreadable(t.Cert, t.Key, err).Error(), Failed})
	} else {
		all = append(all, checkValidity(cert, t.Cert, pair.Leaf, now))
		for _, der := range pair.Certificate[1:] {
			if c, err := x509.ParseCertificate(der); err == nil {
				if f := checkValidity(cert, t.Cert+", its chain", c, now); f.Level != Fine {
					all = append(all, f)
				}
			}
		}
	}
	if t.ClientCA != "" {
		all = append(all, t.checkAuthorities(option.Ref(option.Of(receiver, "tls-client-ca")), now)...)
	}
	return all
}

// checkAuthorities checks the authorities that sign clients' certificates: one valid authority is enough.
func (t *TLS) checkAuthorities(subject string, now time.Time) []Finding {
	text, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return []Finding{{subject, err.Error(), Failed}}
	}
	var all []Finding
	good := 0
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			all = append(all, Finding{subject, fmt.Sprintf("%s: a certificate cannot be parsed: %v", t.ClientCA, err), Warning})
			continue
		}
		f := checkValidity(subject, t.ClientCA, c, now)
		if f.Level != Failed && c.BasicConstraintsValid && !c.IsCA {
			f = Finding{subject, fmt.Sprintf("%s: %q is not a CA: client certificates that it signed are rejected", t.ClientCA, c.Subject), Warning}
		}
		if f.Level == Failed {
			f.Level = Warning
		} else {
			good++
		}
		all = append(all, f)
	}
	if good == 0 {
		all = append(all, Finding{subject, t.ClientCA + " holds no currently valid PEM certificate of a CA: no client could connect", Failed})
	}
	return all
}

// checkValidity checks the period of a certificate.
func checkValidity(subject, file string, c *x509.Certificate, now time.Time) Finding {
	const day = "2006-01-02 15:04 UTC"
	from, until := c.NotBefore.UTC().Format(day), c.NotAfter.UTC().Format(day)
	switch {
	case now.After(c.NotAfter):
		return Finding{subject, fmt.Sprintf("%s: the certificate of %q expired at %s: renew it; etl reloads it automatically", file, c.Subject, until), Failed}
	case now.Before(c.NotBefore):
		return Finding{subject, fmt.Sprintf("%s: the certificate of %q is not valid before %s: wait, or set the clock", file, c.Subject, from), Failed}
	case now.Add(soon).After(c.NotAfter):
		return Finding{subject, fmt.Sprintf("%s: the certificate of %q expires at %s: renew it; etl reloads it automatically", file, c.Subject, until), Warning}
	}
	return Finding{subject, fmt.Sprintf("%s: %q, valid until %s", file, c.Subject, until), Fine}
}

// unreadable adds to the error of reading a certificate and its key what to do.
func unreadable(cert, key string, err error) error {
	do := "both must be PEM; convert JKS and PKCS12 files"
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		do = "both must be files that this user can read"
	case strings.Contains(err.Error(), "does not match"):
		do = "the key must be the one that belongs to the certificate"
	case isEncrypted(key):
		do = "the key is encrypted and must have no password: openssl pkey -in KEY -out PLAIN"
	}
	return fmt.Errorf("read the certificate %s and its key %s: %w: %s", cert, key, err, do)
}

// isEncrypted reports whether the key in the file is encrypted with a password.
func isEncrypted(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && strings.Contains(string(text), "ENCRYPTED")
}
