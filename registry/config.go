package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/internal/tlsfile"
)

// Config is where the registry is. The zero Config is none.
type Config struct {
	// URLs are those of the registry's instances, such as http://registry:8081. Each is asked in turn until one answers.
	URLs []string
	// User and Password are for HTTP's basic authentication. PasswordFile is a file that holds the password; it is read
	// again for each request, and one line end after the password is ignored.
	User, Password, PasswordFile string
	// TLSCA is a PEM file with the certificate authorities of the registry; empty means the system's.
	TLSCA string
	// TLSCert and TLSKey are the PEM files of the client's certificate, both or neither. All files are read again for each
	// connection.
	TLSCert, TLSKey string
}

// Enabled reports whether there is a registry.
func (c Config) Enabled() bool { return len(c.URLs) > 0 }

// Require returns an error if there is a registry and no format reads it, or the other way around.
func (c Config) Require(reads bool) error {
	switch {
	case reads && !c.Enabled():
		return option.Error("schema-registry", "", "must be given for format avro_confluent, whose bodies name schemas of a registry")
	case !reads && c.Enabled():
		return option.Error("schema-registry", strings.Join(c.URLs, ","), "must be empty, because no format reads it but avro_confluent")
	}
	return nil
}

// Validate returns an error that names every invalid option.
func (c Config) Validate() error {
	errs := []error{c.tls().Validate()}
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		switch {
		case err == nil && u.User != nil:
			errs = append(errs, option.Error("schema-registry", u.Redacted(), "must have no user: give %s and %s", option.Ref("schema-registry-user"), option.Ref("schema-registry-password-file")))
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
			errs = append(errs, option.Error("schema-registry", text, "must be http://HOST:PORT or https://HOST:PORT, perhaps with a path"))
		}
	}
	others := c.User != "" || c.Password != "" || c.PasswordFile != "" || c.TLSCA != "" || c.TLSCert != ""
	switch {
	case !c.Enabled() && others:
		errs = append(errs, option.Error("schema-registry", "", "must be given if its user, its password or its files are"))
	case c.Password != "" && c.PasswordFile != "":
		errs = append(errs, option.Conflict("schema-registry-password", "and %s exclude each other", option.Ref("schema-registry-password-file")))
	case c.User == "" && (c.Password != "" || c.PasswordFile != ""):
		errs = append(errs, option.Error("schema-registry-user", "", "must be given with a password"))
	}
	return errors.Join(errs...)
}

func (c Config) tls() tlsfile.Client {
	return tlsfile.Client{Option: "schema-registry-tls", CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey}
}

// requestTimeout bounds one request, and dialTimeout its connection.
const (
	requestTimeout = 10 * time.Second
	dialTimeout    = 5 * time.Second
)

// client returns the client of the registry's API.
func (c Config) client() (*sr.Client, error) {
	dial := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSHandshakeTimeout: dialTimeout,
		MaxIdleConns: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conf, err := c.tls().Config()
			if err != nil {
				return nil, err
			}
			d := tls.Dialer{NetDialer: &dial, Config: conf}
			return d.DialContext(ctx, network, address)
		},
	}
	opts := []sr.ClientOpt{
		sr.URLs(trimmed(c.URLs)...), sr.UserAgent("sluice"), sr.HTTPClient(&http.Client{Transport: transport, Timeout: requestTimeout}),
	}
	if c.User != "" {
		opts = append(opts, sr.PreReq(func(r *http.Request) error {
			password := c.Password
			if c.PasswordFile != "" {
				var err error
				if password, err = textfile.Secret(c.PasswordFile); err != nil {
					return fmt.Errorf("read %s: %w", option.Ref("schema-registry-password-file"), err)
				}
			}
			r.SetBasicAuth(c.User, password)
			return nil
		}))
	}
	return sr.NewClient(opts...)
}

// trimmed returns URLs without slashes at the end.
func trimmed(urls []string) (out []string) {
	for _, u := range urls {
		out = append(out, strings.TrimRight(u, "/"))
	}
	return out
}
