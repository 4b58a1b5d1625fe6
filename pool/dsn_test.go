package pool

import (
	"strings"
	"testing"
)

// Errors about a malformed DSN never quote a part of it that may be the password.
func TestDSN_errorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"root:secret/db", "root:my/secret@tcp(h:3306)", "root:my/secret@tcp(h:3306)/db?tls=secret", "tcp(root:secret,h:3306)/db",
		"root:secret", "root:secret@tcp(h:3306", "root:secret@tcp(h:3306)", "secret", "root:p/w?secret@tcp(h:3306)", "root:secret@h:3306/db", "root:secret@@/db",
		"root:secret@tcp(h)/db", "root:secret@tcp(h:99999)/db?parseTime=secret", "root:sec?ret@tcp(h:3306)/db", "'root:secret@tcp(h:3306)/db'",
	} {
		c := DefaultConfig()
		c.DSN = dsn
		err := c.Validate()
		if err == nil {
			if _, err = c.driver(); err == nil {
				continue
			}
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "root:") {
			t.Errorf("%s: %v; expected an error that contains neither %q nor %q", dsn, err, "secret", "root:")
		}
		if !strings.Contains(err.Error(), "mysql-") {
			t.Errorf("%s: %v, expected the option's name", dsn, err)
		}
	}
}
