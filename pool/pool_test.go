package pool

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quick(dsn string) Config {
	c := DefaultConfig()
	c.DSN = dsn
	c.LockWait, c.Answer, c.IdleTransaction = time.Second, 2*time.Second, 3*time.Second
	return c
}

func open(t *testing.T, c Config) *Pool {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := New(c, nil, nil)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func begin(t *testing.T, p *Pool) *Tx {
	t.Helper()
	tx, err := p.Tx(t.Context(), PriorityLow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Discard)
	return tx
}

func exec(t *testing.T, tx *Tx, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := tx.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func ask(t *testing.T, tx *Tx, query string) (out string) {
	t.Helper()
	if err := tx.Query(t.Context(), query, func(scan func(...any) error) error { return scan(&out) }); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// An unused pool dials nothing, and an unreachable server only makes the next transaction fail.
func TestPool_lazy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dialled <- struct{}{}
			_ = c.Close()
		}
	}()
	p := open(t, quick("u:p@tcp("+l.Addr().String()+")/d"))
	select {
	case <-dialled:
		t.Error("dialled before a connection was requested")
	default:
	}
	_, err = p.Tx(t.Context(), PriorityHigh)
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error is %v, expected one that names the address", err)
	}
	_ = l.Close()
	<-done
	if len(dialled) == 0 {
		t.Error("never dialled")
	}
}

func TestP21_SessionIsSetAndReadBack(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Args(
		"--sql-mode=", "--transaction-isolation=SERIALIZABLE", "--default-time-zone=+05:00", "--lock-wait-timeout=86400",
		"--idle-transaction-timeout=0", "--completion-type=1"))
	db := server.Database(t)
	c := DefaultConfig()
	c.DSN = server.DSN(db)
	p := open(t, c)
	tx := begin(t, p)
	for variable, want := range map[string]string{
		"time_zone": "+00:00", "autocommit": "0", "innodb_lock_wait_timeout": "3", "lock_wait_timeout": "3",
		"idle_transaction_timeout": "10", "tx_isolation": "READ-COMMITTED", "completion_type": "NO_CHAIN",
		"unique_checks": "1", "idle_write_transaction_timeout": "0",
	} {
		if got := ask(t, tx, "SELECT @@session."+variable); got != want {
			t.Errorf("%s is %s, expected %s", variable, got, want)
		}
	}
	if got := ask(t, tx, "SELECT @@session.sql_mode"); !strings.Contains(got, "STRICT_ALL_TABLES") {
		t.Errorf("sql_mode is %s, expected it to contain %q", got, "STRICT_ALL_TABLES")
	}
	if s, known := p.Server(); !known || s.Dialect != MariaDB || !s.AtLeast(10, 6) {
		t.Errorf("server is %+v", s)
	}
}

// database/sql would return a connection with an open transaction to the pool. Its next user would see what another has
// written, and commit it.
func TestP9_OpenConnectionIsClosed(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	c := quick(server.DSN(server.Database(t)))
	c.Connections = 1
	p := open(t, c)
	tx := begin(t, p)
	id := ask(t, tx, "SELECT CONNECTION_ID()")
	exec(t, tx, "CREATE TABLE a (b INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")
	_ = tx.conn.Close() // as a forgotten end would
	tx.conn = nil
	p.turns.release()
	tx = begin(t, p)
	if got := ask(t, tx, "SELECT CONNECTION_ID()"); got == id {
		t.Error("a connection with an open transaction was given out again")
	}
	exec(t, tx, "COMMIT")
	if got := ask(t, tx, "SELECT COUNT(*) FROM a"); got != "0" {
		t.Errorf("%s rows of the transaction that was never committed, expected %q", got, "0")
	}
	tx.Rollback(t.Context())

	tx = begin(t, p)
	id = ask(t, tx, "SELECT CONNECTION_ID()")
	tx.Rollback(t.Context())
	tx = begin(t, p)
	if got := ask(t, tx, "SELECT CONNECTION_ID()"); got != id {
		t.Error("a connection whose reply to ROLLBACK was read was not reused")
	}
	_, err := tx.conn.BeginTx(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "BUG") {
		t.Errorf("BeginTx: %v, expected a refusal", err)
	}
}

func TestP32_ClaimsTakePriority(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	c := quick(server.DSN(server.Database(t)))
	c.Connections = 1
	reg := prometheus.NewRegistry()
	p := New(c, nil, reg)
	t.Cleanup(func() { _ = p.Close() })
	tx := begin(t, p)
	order := make(chan Priority, 2)
	wait := func(priority Priority, waiters int) {
		go func() {
			tx, err := p.Tx(context.Background(), priority)
			if err != nil {
				t.Error(err)
				return
			}
			order <- priority
			tx.Rollback(context.Background())
		}()
		deadline := time.Now().Add(5 * time.Second)
		for p.turns.waiters() != waiters && time.Now().Before(deadline) {
			tick := time.NewTimer(time.Millisecond)
			<-tick.C
		}
	}
	wait(PriorityLow, 1)
	wait(PriorityHigh, 2)
	tx.Rollback(t.Context())
	if a, b := <-order, <-order; a != PriorityHigh || b != PriorityLow {
		t.Errorf("order is %v, %v; expected the claim first", a, b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	tx = begin(t, p)
	if _, err := p.Tx(ctx, PriorityHigh); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting ended with %v, expected %v", err, context.DeadlineExceeded)
	}
	tx.Rollback(t.Context())
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP etl_pool_transactions_total Transactions by outcome; for discarded and unknown ones the connection was closed.
# TYPE etl_pool_transactions_total counter
etl_pool_transactions_total{outcome="committed"} 0
etl_pool_transactions_total{outcome="discarded"} 0
etl_pool_transactions_total{outcome="rolled_back"} 4
etl_pool_transactions_total{outcome="unknown"} 0
`), "etl_pool_transactions_total"); err != nil {
		t.Error(err)
	}
}

func TestPool_serverUnavailableAndBack(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Private())
	p := open(t, quick(server.DSN(server.Database(t))))
	tx := begin(t, p)
	exec(t, tx, "SELECT 1")
	tx.Rollback(t.Context())
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Tx(t.Context(), PriorityHigh); err == nil || !strings.Contains(err.Error(), server.Addr()) {
		t.Errorf("error is %v, expected one that names the address", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	exec(t, begin(t, p), "SELECT 1")
}

func TestPool_passwordFileIsReadAtEachConnect(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Private())
	host, _, _ := net.SplitHostPort(server.Addr())
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong\n")
	c := quick("")
	c.DSN, c.Host, c.User, c.PasswordFile, c.Database = "", host, mariadbtest.User, file, server.Database(t)
	_, port, _ := net.SplitHostPort(server.Addr())
	c.Port = 0
	for _, digit := range port {
		c.Port = c.Port*10 + int(digit-'0')
	}
	p := open(t, c)
	if _, err := p.Tx(t.Context(), PriorityHigh); err == nil {
		t.Fatal("logged in with the wrong password")
	}
	write("\xef\xbb\xbf" + mariadbtest.Password + "\r\n") // a byte order mark and one line end are no part of it
	exec(t, begin(t, p), "SELECT 1")
}

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	ok := DefaultConfig()
	ok.DSN = "u:p@tcp(h:3306)/d?tls=preferred"
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"'mysql-dsn' is missing":                              func(c *Config) { c.DSN = "" },
		"must not be given together with option 'mysql-host'": func(c *Config) { c.Host = "h" },
		"names no database":                                   func(c *Config) { c.DSN = "u:p@tcp(h)/" },
		"'mysql-dsn' sets readTimeout, parseTime":             func(c *Config) { c.DSN = "u:p@tcp(h)/d?readTimeout=1s&tls=true&parseTime=true" },
		"'mysql-dsn' sets sql_mode":                           func(c *Config) { c.DSN = "u:p@tcp(h)/d?sql_mode=ANSI" },
		"'mysql-tls' is \"yes\"":                              func(c *Config) { c.TLS = "yes" },
		"'mysql-tls-ca' is empty":                             func(c *Config) { c.TLS = TLSVerifyCA },
		"must be above option 'mysql-lock-wait', 3s":          func(c *Config) { c.Answer = 3 * time.Second },
		"must be above option 'mysql-answer-timeout', 5s":     func(c *Config) { c.IdleTransaction = 5 * time.Second },
		"below option 'kafka-rebalance-timeout'":              func(c *Config) { c.Rebalance = 13 * time.Second },
		"a whole number of seconds, at least 1s":              func(c *Config) { c.LockWait = 1500 * time.Millisecond },
		"'mysql-connections' is 0":                            func(c *Config) { c.Connections = 0 },
		"'mysql-max-idle-time' is 10s":                        func(c *Config) { c.MaxIdleTime = 10 * time.Second },
		"set both or neither":                                 func(c *Config) { c.TLSCert = "x" },
		"address \"h:65536\"":                                 func(c *Config) { c.DSN = "u:p@tcp(h:65536)/d" },
		"address \"h:0\"":                                     func(c *Config) { c.DSN = "u:p@tcp(h:0)/d" },
		"address \"h:x\"":                                     func(c *Config) { c.DSN = "u:p@tcp(h:x)/d" },
		"address \":1\"":                                      func(c *Config) { c.DSN = "u:p@tcp(:1)/d" },
		"in brackets":                                         func(c *Config) { c.DSN = "u:p@tcp(::1:3306:x)/d" },
		"'mysql-dsn' is in quotes":                            func(c *Config) { c.DSN = `"u:p@tcp(h:1)/d"` },
		"address \"h:99999\"":                                 func(c *Config) { c.DSN, c.Connections = "u:p@tcp(h:99999)/d", 0 },
		"read option 'mysql-dsn-file'":                        func(c *Config) { c.DSN, c.DSNFile = "", "/does/not/exist" },
	} {
		c := ok
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected one with %q", err, want)
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]Server{
		"10.11.19-MariaDB-0+deb12u1": {Dialect: MariaDB, Major: 10, Minor: 11},
		"5.5.5-10.6.1-MariaDB":       {Dialect: MariaDB, Major: 10, Minor: 6},
		"8.4.0":                      {Dialect: MySQL, Major: 8, Minor: 4},
		"9.1.0-commercial":           {Dialect: MySQL, Major: 9, Minor: 1},
		"5.7.44-log":                 {Dialect: MySQL, Major: 5, Minor: 7},
	} {
		got, err := identify(version, "")
		want.Version = version
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v; expected %v and no error", version, got, err, want)
		}
	}
	for _, version := range []string{"5.6.51", "10.5.0-MariaDB", "x", ""} {
		if s, err := identify(version, ""); err == nil {
			t.Errorf("%s is %+v, expected an error", version, s)
		}
	}
}
