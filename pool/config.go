package pool

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is the server to connect to and the limits of its connections. The server is given by DSN, by DSNFile, or by
// Host, User, Password and Database.
type Config struct {
	// DSN is go-sql-driver's form: user:password@tcp(host:3306)/database. It must not have parameters that
	// the pool sets itself.
	DSN string
	// DSNFile is a file that holds the DSN; it is read again at each connect.
	DSNFile string
	// Host of the server, or the path of its socket.
	Host string
	// Port of the server; not used with a socket.
	Port int
	// User to log in as.
	User string
	// Password of the user.
	Password string
	// PasswordFile is a file that holds the password; it is read again at each connect, and one line end after
	// it is removed.
	PasswordFile string
	// Database holds the checkpoints, and the targets that are written without a schema.
	Database string

	// TLS is how the connection is protected: disabled, preferred, required, verify-ca or verify-identity, as
	// MySQL's own --ssl-mode. Empty leaves it to the DSN's tls parameter.
	TLS string
	// TLSCA is a file of PEM certificates that sign the server's; empty means the system's.
	TLSCA string
	// TLSCert is a file with our own certificate, TLSKey one with its key. All three are read again at each connect.
	TLSCert, TLSKey string

	// Connections is the largest number of transactions that are open at once.
	Connections int
	// MaxIdleTime is how long a connection may be unused before it is closed. It must be below IdleTransaction, or MySQL,
	// whose wait_timeout that is, closes it first. 0 means half of IdleTransaction.
	MaxIdleTime time.Duration
	// MaxLifetime is the age at which a connection is closed, so that load balancers and changed passwords take effect.
	MaxLifetime time.Duration

	// ConnectTimeout is the timeout for dialing and logging in.
	ConnectTimeout time.Duration
	// LockWait (L) is how long a statement may wait for a row or a table: innodb_lock_wait_timeout and
	// lock_wait_timeout. Whole seconds.
	LockWait time.Duration
	// Answer (R) is the read timeout: how long to wait for a reply of the server.
	Answer time.Duration
	// IdleTransaction (I) is how long the server keeps a transaction whose client sends nothing, before it ends it and
	// releases its locks: idle_transaction_timeout (MariaDB) or wait_timeout (MySQL). Whole seconds.
	IdleTransaction time.Duration
	// Rebalance is the consumer group's rebalance timeout. A claim must be able to wait longer than the server keeps the
	// locks of a frozen owner.
	Rebalance time.Duration
}

// DefaultConfig returns the defaults: L, R and I are 3, 5 and 10 seconds, and there are four connections.
func DefaultConfig() Config {
	return Config{
		Port:            3306,
		Connections:     4,
		MaxLifetime:     5 * time.Minute,
		ConnectTimeout:  5 * time.Second,
		LockWait:        3 * time.Second,
		Answer:          5 * time.Second,
		IdleTransaction: 10 * time.Second,
		Rebalance:       60 * time.Second,
	}
}

// TLS modes.
const (
	TLSDisabled       = "disabled"
	TLSPreferred      = "preferred"
	TLSRequired       = "required"
	TLSVerifyCA       = "verify-ca"
	TLSVerifyIdentity = "verify-identity"
)

// Validate returns an error that names every option out of its bounds.
func (c Config) Validate() error {
	var errs []error
	bad := func(name string, value any, want string, args ...any) {
		errs = append(errs, option.Error(name, value, want, args...))
	}
	apart := c.Host != "" || c.User != "" || c.Password != "" || c.PasswordFile != "" || c.Database != ""
	switch {
	case c.DSN != "" && c.DSNFile != "":
		errs = append(errs, option.Conflict("mysql-dsn", "must not be given together with %s", option.Ref("mysql-dsn-file")))
	case c.DSN != "" || c.DSNFile != "":
		if apart {
			errs = append(errs, option.Conflict("mysql-dsn", "must not be given together with %s, %s, %s or %s",
				option.Ref("mysql-host"), option.Ref("mysql-user"), option.Ref("mysql-password"), option.Ref("mysql-database")))
		}
	case c.Host == "":
		errs = append(errs, option.Conflict("mysql-dsn", "is missing: give it, or %s, %s and %s", option.Ref("mysql-host"), option.Ref("mysql-user"), option.Ref("mysql-database")))
	case c.Database == "":
		bad("mysql-database", "", "must be set, because checkpoints are stored in it")
	case c.Host[0] != '/' && (c.Port < 1 || c.Port > 65535):
		bad("mysql-port", c.Port, "must be from 1 to 65535")
	}
	if c.Password != "" && c.PasswordFile != "" {
		errs = append(errs, option.Conflict("mysql-password", "must not be given together with %s", option.Ref("mysql-password-file")))
	}
	switch c.TLS {
	case "", TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity:
	default:
		bad("mysql-tls", c.TLS, "must be one of disabled, preferred, required, verify-ca, verify-identity")
	}
	if c.TLS == TLSVerifyCA && c.TLSCA == "" {
		bad("mysql-tls-ca", "", "must name the server's own authority if %s is verify-ca: the system's authorities sign certificates for anyone, so any server would be trusted; or use verify-identity", option.Ref("mysql-tls"))
	}
	errs = append(errs, c.tlsClient().Validate())
	if c.TLSCA+c.TLSCert != "" && (c.TLS == "" || c.TLS == TLSDisabled) {
		bad("mysql-tls", c.TLS, "must be a mode that uses certificates, such as verify-identity, because %s or %s is given", option.Ref("mysql-tls-ca"), option.Ref("mysql-tls-cert"))
	}
	errs = append(errs, option.Range("mysql-connections", c.Connections, 1, 1000))
	errs = append(errs, c.validateTimes()...)
	if errors.Join(errs...) == nil {
		if _, err := c.driver(); err != nil {
			errs = append(errs, err)
		}
	} else if (c.DSN != "") != (c.DSNFile != "") { // errors elsewhere do not hide those of the address
		if _, err := c.address(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// validateTimes checks that a statement's time < L < R < I, and that I + L < the rebalance timeout (P21).
func (c Config) validateTimes() (errs []error) {
	const lockWait, answer, idle = "mysql-lock-wait", "mysql-answer-timeout", "mysql-idle-transaction"
	bad := func(name string, value time.Duration, want string, args ...any) {
		errs = append(errs, option.Error(name, value, want, args...))
	}
	if c.LockWait < time.Second || c.LockWait%time.Second != 0 {
		bad(lockWait, c.LockWait, "must be a whole number of seconds, at least 1s")
	}
	if c.IdleTransaction%time.Second != 0 {
		bad(idle, c.IdleTransaction, "must be a whole number of seconds")
	}
	if c.Answer <= c.LockWait {
		bad(answer, c.Answer, "must be above %s, %v: else a lock wait would look like a lost connection", option.Ref(lockWait), c.LockWait)
	}
	if c.IdleTransaction <= c.Answer {
		bad(idle, c.IdleTransaction, "must be above %s, %v: else the server would end a transaction whose reply is still awaited", option.Ref(answer), c.Answer)
	}
	if c.IdleTransaction+c.LockWait >= c.Rebalance {
		bad(idle, c.IdleTransaction, "and %s is %v: their sum must be below %s, %v: else a claim could still wait for the rows of a frozen owner when the group removes the claiming member",
			option.Ref(lockWait), c.LockWait, option.Ref("kafka-rebalance-timeout"), c.Rebalance)
	}
	if c.MaxIdleTime < 0 || c.MaxIdleTime >= c.IdleTransaction && c.MaxIdleTime != 0 {
		bad("mysql-max-idle-time", c.MaxIdleTime, "must be below %s, %v", option.Ref(idle), c.IdleTransaction)
	}
	if c.MaxLifetime < time.Second {
		bad("mysql-max-lifetime", c.MaxLifetime, "must be at least 1s")
	}
	if c.ConnectTimeout <= 0 {
		bad("mysql-connect-timeout", c.ConnectTimeout, "must be above 0s")
	}
	return errs
}

func (c Config) maxIdleTime() time.Duration {
	if c.MaxIdleTime == 0 {
		return c.IdleTransaction / 2
	}
	return c.MaxIdleTime
}
