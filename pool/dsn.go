package pool

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
)

// allowedParameters are the only parameters that a DSN may have. The pool sets all others, so a value in the DSN would
// have no effect.
var allowedParameters = []string{
	"tls", "allowFallbackToPlaintext", "allowCleartextPasswords", "allowNativePasswords", "serverPubKey",
	"compress", "connectionAttributes",
}

// driver returns the driver's configuration. It is called for each connect, because files may have changed.
func (c Config) driver() (*mysql.Config, error) {
	d, err := c.address()
	if err != nil {
		return nil, err
	}
	if d.DBName == "" {
		return nil, option.Conflict("mysql-dsn", "names no database, but checkpoints are stored in it")
	}
	if err := c.protect(d); err != nil {
		return nil, err
	}
	d.Timeout, d.ReadTimeout, d.WriteTimeout = c.ConnectTimeout, c.Answer, c.Answer
	d.ClientFoundRows = true // matched rows count, changed or not: the fence needs that
	d.MaxAllowedPacket = 0   // ask the server; the driver's own 64 MB is above most servers'
	d.CheckConnLiveness = true
	d.Logger = &mysql.NopLogger{} // it returns every error that it logs
	if err := d.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	return d, nil
}

func (c Config) address() (*mysql.Config, error) {
	dsn, name := strings.TrimSpace(c.DSN), "mysql-dsn"
	if c.DSNFile != "" {
		text, err := textfile.Secret(c.DSNFile)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", option.Ref("mysql-dsn-file"), err)
		}
		dsn, name = strings.TrimSpace(text), "mysql-dsn-file"
	}
	if dsn != "" {
		if strings.ContainsAny(dsn[:1], `"'`) || strings.ContainsAny(dsn[len(dsn)-1:], `"'`) {
			return nil, option.Conflict(name, "is in quotes, must be without them")
		}
		if err := checkParameters(dsn); err != nil {
			return nil, err
		}
		d, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, option.Conflict(name, "must be user:password@tcp(host:port)/database%s", driverErrorText(err))
		}
		if d.Net == "tcp" && !isHostPort(d.Addr) {
			return nil, option.Conflict(name, "%s, must be host:port with a port from 1 to 65535; write an IPv6 address in brackets", describeAddress(dsn, d.Addr))
		}
		if c.TLS != "" && strings.Contains(dsn, "tls=") {
			return nil, option.Conflict("mysql-tls", "must not be given together with the tls parameter of the DSN")
		}
		return d, nil
	}
	d := mysql.NewConfig()
	d.Net, d.Addr = "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	if strings.HasPrefix(c.Host, "/") {
		d.Net, d.Addr = "unix", c.Host
	}
	d.User, d.Passwd, d.DBName = c.User, c.Password, c.Database
	if c.PasswordFile != "" {
		text, err := textfile.Secret(c.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", option.Ref("mysql-password-file"), err)
		}
		d.Passwd = text
	}
	return d, nil
}

// isHostPort reports whether an address is well-formed. It does not ask DNS.
func isHostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, badPort := strconv.ParseUint(port, 10, 16)
	if _, noIP := netip.ParseAddr(host); noIP != nil && strings.Contains(host, ":") {
		return false
	}
	return err == nil && badPort == nil && n > 0 && host != "" && !strings.ContainsAny(host, "[]/\"' \t\r\n")
}

// driverErrorText returns the text of a parse error of the driver, if it is one of its constant texts. Its other texts
// quote the DSN, and with it the password of a malformed one.
func driverErrorText(err error) string {
	if text, ok := strings.CutPrefix(err.Error(), "invalid DSN: "); ok {
		return ": " + text
	}
	return ""
}

// describeAddress describes the address in a DSN. Without an @ in the DSN the address is not quoted, because what was
// parsed as the address may be the password.
func describeAddress(dsn, address string) string {
	if !strings.Contains(dsn, "@") {
		return "holds no user, and its address is malformed"
	}
	return fmt.Sprintf("holds the address %q", address)
}

// checkParameters rejects parameters that the pool sets. It parses the DSN itself, because the driver's parser does not
// return the parameters unchanged.
func checkParameters(dsn string) error {
	_, query, found := strings.Cut(dsn[strings.LastIndexByte(dsn, '/')+1:], "?")
	if !found {
		return nil
	}
	var rejected []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if name != "" && !slices.Contains(allowedParameters, name) {
			if strings.IndexFunc(name, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }) >= 0 {
				name = "what is no parameter" // and may be the end of a password that contains a slash
			}
			rejected = append(rejected, name)
		}
	}
	if rejected == nil {
		return nil
	}
	return option.Conflict("mysql-dsn", "sets %s, which etl sets itself: remove it; a DSN may set %s",
		strings.Join(rejected, ", "), strings.Join(allowedParameters, ", "))
}
