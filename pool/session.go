package pool

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// connector opens sessions for database/sql, which never has more than Config.Connections of them open.
type connector struct {
	config    Config
	setServer func(Server)
}

// Driver implements driver.Connector. Only its type is used.
func (c *connector) Driver() driver.Driver { return mysql.MySQLDriver{} }

// Connect dials, logs in, sets what the session needs and reads it back.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	d, err := c.config.driver()
	if err != nil {
		return nil, err
	}
	s, err := c.connect(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("connect to MySQL at %s as %s: %w", d.Addr, d.User, err)
	}
	c.setServer(s.server)
	return s, nil
}

func (c *connector) connect(ctx context.Context, d *mysql.Config) (*session, error) {
	s := &session{}
	if failpoint.Enabled {
		dialer := &net.Dialer{}
		d.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := dialer.DialContext(ctx, network, addr)
			s.watched = &watchedConn{Conn: raw}
			return s.watched, err
		}
	}
	inner, err := mysql.NewConnector(d)
	if err != nil {
		return nil, err
	}
	conn, err := inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s.conn = conn.(driverConn)
	if err := s.prepare(ctx, c.config); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// driverConn is the part of the driver's connection that a session uses.
type driverConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// session is a connection that knows whether a transaction may be open on it. It rejects every call that could end a
// transaction implicitly.
//
// Invariant: open is true from before a statement is sent until the reply to COMMIT or ROLLBACK was read. So a
// connection on which a transaction may be open, whatever failed, never returns to the pool.
type session struct {
	conn    driverConn
	server  Server
	open    bool // a statement was sent since the last reply to COMMIT or ROLLBACK was read
	watched *watchedConn
}

func (s *session) prepare(ctx context.Context, c Config) error {
	rows, err := s.table(ctx, "SELECT VERSION(), @@version_comment")
	if err != nil {
		return err
	}
	if s.server, err = identify(rows[0][0], rows[0][1]); err != nil {
		return err
	}
	want := settings(s.server, c)
	var text, names strings.Builder
	for i, v := range want {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "@@SESSION.%s = %s", v.name, v.text)
		fmt.Fprintf(&names, "'%s', ", v.name)
	}
	for _, statement := range []string{
		"SET " + text.String(), "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	} {
		if _, err := s.conn.ExecContext(ctx, statement, nil); err != nil {
			return fmt.Errorf("set up the session: %s: %w", statement, err)
		}
	}
	rows, err = s.table(ctx, "SHOW SESSION VARIABLES WHERE Variable_name IN ("+names.String()+"'tx_isolation', 'transaction_isolation')")
	if err != nil {
		return fmt.Errorf("read the session back: %w", err)
	}
	got := map[string]string{}
	for _, r := range rows {
		got[strings.ToLower(r[0])] = r[1]
	}
	for _, v := range want {
		if v.want != "" && !sameValue(v.name, v.want, got[v.name]) {
			return fmt.Errorf("the session's %s was set to %q, got %q when it was read back; a proxy between etl and the server may not keep sessions", v.name, v.want, got[v.name])
		}
	}
	if got["tx_isolation"] != isolation && got["transaction_isolation"] != isolation {
		return fmt.Errorf("the session's isolation level was set to %s, got %q when it was read back", isolation, got["tx_isolation"]+got["transaction_isolation"])
	}
	// Reading variables opens no transaction on MySQL and MariaDB. ROLLBACK makes sure of it on other servers.
	_, err = s.conn.ExecContext(ctx, "ROLLBACK", nil)
	return err
}

// table runs a query with a small result.
func (s *session) table(ctx context.Context, text string) (out [][]string, err error) {
	rows, err := s.conn.QueryContext(ctx, text, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	cells := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(cells)
		if errors.Is(err, io.EOF) {
			if len(out) == 0 {
				return nil, fmt.Errorf("%s: no rows", text)
			}
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line := make([]string, len(cells))
		for i, v := range cells {
			if b, ok := v.([]byte); ok {
				line[i] = string(b)
			} else if v != nil {
				line[i] = fmt.Sprint(v)
			}
		}
		out = append(out, line)
	}
}

const (
	commit   = "COMMIT"
	rollback = "ROLLBACK"
)

// ExecContext sends a statement. COMMIT and ROLLBACK whose reply was read end the transaction; any other statement may
// open one, because autocommit is off.
func (s *session) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s.open = true
	if text == commit && s.watched != nil {
		s.watched.committing.Store(true)
	}
	result, err := s.conn.ExecContext(ctx, text, args)
	if err == nil && (text == commit || text == rollback) {
		s.open = false
	}
	return result, err
}

// QueryContext sends a query.
func (s *session) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s.open = true
	return s.conn.QueryContext(ctx, text, args)
}

// ResetSession rejects a connection on which a transaction may be open, so that database/sql closes it.
func (s *session) ResetSession(ctx context.Context) error {
	if s.open {
		return driver.ErrBadConn
	}
	return s.conn.ResetSession(ctx)
}

// IsValid is called by database/sql when the connection is returned. It rejects a session with an open transaction.
func (s *session) IsValid() bool { return !s.open && s.conn.IsValid() }

// Close closes the connection.
func (s *session) Close() error { return s.conn.Close() }

// Prepare is not implemented: statements are text, without arguments.
func (s *session) Prepare(string) (driver.Stmt, error) { return nil, errNoPrepare }

// Begin is not implemented: it would commit an open transaction.
func (s *session) Begin() (driver.Tx, error) { return nil, errNoBegin }

var (
	errNoPrepare = errors.New("BUG: prepared statement; statements are sent as text")
	errNoBegin   = errors.New("BUG: BeginTx would commit an open transaction")
)

var (
	_ driverConn = (*session)(nil)
)

// watchedConn is the socket in builds with failpoints. It passes the failpoint between COMMIT's packet and its reply.
type watchedConn struct {
	net.Conn
	committing atomic.Bool
}

// Write writes, and passes the failpoint if the bytes were COMMIT.
func (w *watchedConn) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if w.committing.CompareAndSwap(true, false) {
		failpoint.Hit(failpoint.CommitWritten)
	}
	return n, err
}

// SyscallConn lets the driver check whether the server has closed the connection.
func (w *watchedConn) SyscallConn() (syscall.RawConn, error) {
	c, ok := w.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.New("the connection is not a socket")
	}
	return c.SyscallConn()
}
