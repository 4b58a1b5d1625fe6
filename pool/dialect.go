package pool

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is the kind of server, among those that speak the MySQL protocol.
type Dialect uint8

// The dialects.
const (
	MySQL    Dialect = iota // 5.7, 8, 9
	MariaDB                 // 10.6 and newer
	Embedded                // go-mysql-server, in memory: for trying out, without any guarantee of exactness
)

// String returns the product's name.
func (d Dialect) String() string { return [...]string{"MySQL", "MariaDB", "go-mysql-server"}[d] }

// Server is the server of a connection.
type Server struct {
	Dialect Dialect
	Version string // as the server writes it
	Comment string // version_comment
	Major   int
	Minor   int
}

// AtLeast compares versions.
func (s Server) AtLeast(major, minor int) bool {
	return s.Major > major || s.Major == major && s.Minor >= minor
}

// String returns the product's name and version.
func (s Server) String() string { return s.Dialect.String() + " " + s.Version }

// identify reads VERSION() and @@version_comment.
func identify(version, comment string) (Server, error) {
	s := Server{Version: version, Comment: comment}
	plain := version
	switch {
	case strings.Contains(strings.ToLower(version+comment), "mariadb"):
		s.Dialect = MariaDB
		plain = strings.TrimPrefix(plain, "5.5.5-") // a prefix for old replicas
	case comment == "Dolt":
		s.Dialect = Embedded
	}
	parts := strings.SplitN(plain, ".", 3)
	var err error
	if s.Major, err = strconv.Atoi(parts[0]); err == nil && len(parts) > 1 {
		s.Minor, err = strconv.Atoi(strings.TrimRight(parts[1], "-abcdefghijklmnopqrstuvwxyz"))
	}
	if err != nil {
		return s, fmt.Errorf("the server reports the version %q, which cannot be parsed; expected major.minor", version)
	}
	if s.Dialect == MariaDB && !s.AtLeast(10, 6) || s.Dialect == MySQL && !s.AtLeast(5, 7) {
		return s, fmt.Errorf("the server is %v, must be MariaDB 10.6 or MySQL 5.7, or newer", s)
	}
	return s, nil
}

// setting is a session variable and what it must be.
type setting struct {
	name string
	text string // the value in SET
	want string // as SHOW VARIABLES returns it; empty if it is not compared
}

// SQLMode is the sql_mode of every session: strict for all tables, no silent zero dates, and backslash escapes on.
const SQLMode = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

// settings returns the variables that a session sets and reads back (P21).
func settings(s Server, c Config) []setting {
	seconds := strconv.Itoa(int(c.LockWait.Seconds()))
	idle := strconv.Itoa(int(c.IdleTransaction.Seconds()))
	out := []setting{
		{"sql_mode", "'" + SQLMode + "'", SQLMode},
		{"time_zone", "'+00:00'", "+00:00"},
		{"autocommit", "0", "OFF"},
	}
	if s.Dialect == Embedded {
		return append(out, setting{"wait_timeout", idle, ""})
	}
	out = append(out,
		setting{"innodb_lock_wait_timeout", seconds, seconds},
		setting{"lock_wait_timeout", seconds, seconds}, // metadata locks; a day by default
		setting{"completion_type", "0", "NO_CHAIN"},
		setting{"unique_checks", "1", "ON"},
		setting{"foreign_key_checks", "1", "ON"},
		setting{"sql_safe_updates", "0", "OFF"},
		setting{"sql_select_limit", "18446744073709551615", "18446744073709551615"},
	)
	if s.Dialect == MariaDB {
		return append(out,
			// For every transaction, whether or not it has written: a locking read alone holds row locks, too.
			setting{"idle_transaction_timeout", idle, idle},
			setting{"idle_readonly_transaction_timeout", "0", "0"},
			setting{"idle_write_transaction_timeout", "0", "0"},
			setting{"max_statement_time", "0", "0.000000"},
		)
	}
	return append(out,
		setting{"wait_timeout", idle, idle},
		setting{"max_execution_time", "0", "0"},
	)
}

const isolation = "READ-COMMITTED"

// sameValue compares the value that was set with the one that was read back. The server returns SQL modes in its own
// order.
func sameValue(name, want, got string) bool {
	switch name {
	case "sql_mode":
		have := map[string]bool{}
		for m := range strings.SplitSeq(got, ",") {
			have[m] = true
		}
		for m := range strings.SplitSeq(want, ",") {
			if !have[m] {
				return false
			}
		}
		return !have["NO_BACKSLASH_ESCAPES"] && !have["ANSI_QUOTES"]
	case "autocommit", "unique_checks", "foreign_key_checks", "sql_safe_updates":
		return got == want || got == map[string]string{"ON": "1", "OFF": "0"}[want]
	}
	return got == want
}
