package pool

import (
	"errors"
	"fmt"
	"time"
)

// Config says which server to reach, and how. Either DSN or DSNFile, or the parts apart.
type Config struct {
	// DSN is go-sql-driver's form: user:password@tcp(host:3306)/database. Its parameters may not be what the pool sets
	// itself.
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
	// PasswordFile is a file that holds the password; it is read again at each connect, and one newline at its end is
	// cut.
	PasswordFile string
	// Database holds the checkpoints, and the targets that are written without a schema.
	Database string

	// TLS is how far the connection is protected: disabled, preferred, required, verify-ca or verify-identity, as
	// MySQL's own --ssl-mode. Empty leaves it to the DSN's tls parameter.
	TLS string
	// TLSCA is a file of PEM certificates that sign the server's; empty means the system's.
	TLSCA string
	// TLSCert is a file with our own certificate, TLSKey one with its key. All three are read again at each connect.
	TLSCert, TLSKey string

	// Connections is how many transactions may be open at once.
	Connections int
	// MaxIdleTime closes a connection that was not used for so long. It must be below IdleTransaction, or MySQL, whose
	// wait_timeout that is, closes it first. 0 means half of IdleTransaction.
	MaxIdleTime time.Duration
	// MaxLifetime closes a connection that is so old, so that load balancers and changed passwords take effect.
	MaxLifetime time.Duration

	// ConnectTimeout bounds dialling and logging in.
	ConnectTimeout time.Duration
	// LockWait (L) is how long a statement may wait for a row or a table: innodb_lock_wait_timeout and
	// lock_wait_timeout. Whole seconds.
	LockWait time.Duration
	// Answer (R) is how long we wait for the server to say anything.
	Answer time.Duration
	// IdleTransaction (I) is how long the server keeps a transaction whose client says nothing, before it ends it and
	// frees its rows: idle_transaction_timeout (MariaDB) or wait_timeout (MySQL). Whole seconds.
	IdleTransaction time.Duration
	// Rebalance is the consumer group's rebalance time-out: whoever claims must be able to outwait a frozen owner.
	Rebalance time.Duration
}

// DefaultConfig is L, R, I of 3, 5 and 10 seconds, and four connections.
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

// Validate joins everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	apart := c.Host != "" || c.User != "" || c.Password != "" || c.PasswordFile != "" || c.Database != ""
	switch {
	case c.DSN != "" && c.DSNFile != "":
		bad("mysql-dsn and mysql-dsn-file are both given; one is enough")
	case c.DSN != "" || c.DSNFile != "":
		if apart {
			bad("mysql-dsn and one of mysql-host, -user, -password, -database are both given: two spellings of one thing")
		}
	case c.Host == "":
		bad("no MySQL server: give mysql-dsn, or mysql-host, mysql-user and mysql-database")
	case c.Database == "":
		bad("mysql-database is empty: checkpoints need a database to be kept in")
	case c.Host[0] != '/' && (c.Port < 1 || c.Port > 65535):
		bad("mysql-port is %d, must be 1 to 65535", c.Port)
	}
	if c.Password != "" && c.PasswordFile != "" {
		bad("mysql-password and mysql-password-file are both given; one is enough")
	}
	switch c.TLS {
	case "", TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity:
	default:
		bad("mysql-tls is %q, must be one of disabled, preferred, required, verify-ca, verify-identity", c.TLS)
	}
	if c.TLS == TLSVerifyCA && c.TLSCA == "" {
		bad("mysql-tls is verify-ca, and mysql-tls-ca is empty: the system's authorities sign certificates for anybody, so any server would be trusted; name the server's own authority with mysql-tls-ca, or say verify-identity")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("mysql-tls-cert and mysql-tls-key need each other: %q and %q", c.TLSCert, c.TLSKey)
	}
	if c.TLSCA+c.TLSCert != "" && (c.TLS == "" || c.TLS == TLSDisabled) {
		bad("mysql-tls-ca or mysql-tls-cert is given, but mysql-tls is %q: say verify-identity", c.TLS)
	}
	if c.Connections < 1 || c.Connections > 1000 {
		bad("mysql-connections is %d, must be 1 to 1000", c.Connections)
	}
	errs = append(errs, c.validateTimes()...)
	if len(errs) == 0 {
		if _, err := c.driver(); err != nil {
			errs = append(errs, err)
		}
	} else if (c.DSN != "") != (c.DSNFile != "") { // what is wrong elsewhere hides nothing of the address
		if _, err := c.address(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// validateTimes holds a statement's time < L < R < I, and I + L < the rebalance time-out (P21).
func (c Config) validateTimes() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.LockWait < time.Second || c.LockWait%time.Second != 0 {
		bad("mysql-lock-wait (L) is %v, must be whole seconds, 1 or more", c.LockWait)
	}
	if c.IdleTransaction%time.Second != 0 {
		bad("mysql-idle-transaction (I) is %v, must be whole seconds", c.IdleTransaction)
	}
	if c.Answer <= c.LockWait {
		bad("mysql-answer-timeout (R) is %v, must be above mysql-lock-wait (L), %v: else a wait for a row looks like a lost connection", c.Answer, c.LockWait)
	}
	if c.IdleTransaction <= c.Answer {
		bad("mysql-idle-transaction (I) is %v, must be above mysql-answer-timeout (R), %v: else the server ends what we still wait for", c.IdleTransaction, c.Answer)
	}
	if c.IdleTransaction+c.LockWait >= c.Rebalance {
		bad("mysql-idle-transaction (I) + mysql-lock-wait (L) is %v, must be below kafka-rebalance-timeout, %v: else who claims is thrown out of the group before a frozen owner's rows are free",
			c.IdleTransaction+c.LockWait, c.Rebalance)
	}
	if c.MaxIdleTime < 0 || c.MaxIdleTime >= c.IdleTransaction && c.MaxIdleTime != 0 {
		bad("mysql-max-idle-time is %v, must be below mysql-idle-transaction (I), %v", c.MaxIdleTime, c.IdleTransaction)
	}
	if c.MaxLifetime < time.Second {
		bad("mysql-max-lifetime is %v, must be 1s or more", c.MaxLifetime)
	}
	if c.ConnectTimeout <= 0 {
		bad("mysql-connect-timeout is %v, must be above 0", c.ConnectTimeout)
	}
	return errs
}

func (c Config) maxIdleTime() time.Duration {
	if c.MaxIdleTime == 0 {
		return c.IdleTransaction / 2
	}
	return c.MaxIdleTime
}
