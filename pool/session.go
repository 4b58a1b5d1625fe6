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

// connector makes sessions. database/sql calls it, never more than Config.Connections times at once.
type connector struct {
	config Config
	found  func(Server)
}

// Driver is never used for anything but its type.
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
	c.found(s.server)
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

// driverConn is what of the driver's connection a session uses.
type driverConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// session is a connection that knows whether a transaction may be open on it. It lets nothing through that could end a
// transaction by the way.
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
			return fmt.Errorf("the session's %s was set to %q and reads %q: is there a proxy in between that does not keep sessions?", v.name, v.want, got[v.name])
		}
	}
	if got["tx_isolation"] != isolation && got["transaction_isolation"] != isolation {
		return fmt.Errorf("the session's isolation level was set to %s and reads %q", isolation, got["tx_isolation"]+got["transaction_isolation"])
	}
	// Reading variables opens no transaction on MySQL and MariaDB; that nothing is open is made sure of all the same.
	_, err = s.conn.ExecContext(ctx, "ROLLBACK", nil)
	return err
}

// table runs a query whose columns are few and short.
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
// open one, for autocommit is off.
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

// ResetSession refuses a connection on which a transaction may be open: database/sql closes it then.
func (s *session) ResetSession(ctx context.Context) error {
	if s.open {
		return driver.ErrBadConn
	}
	return s.conn.ResetSession(ctx)
}

// IsValid is asked when the connection is given back, and says no for the same reason.
func (s *session) IsValid() bool { return !s.open && s.conn.IsValid() }

// Close closes.
func (s *session) Close() error { return s.conn.Close() }

// Prepare is refused: statements are text, without arguments.
func (s *session) Prepare(string) (driver.Stmt, error) { return nil, errNoPrepare }

// Begin is refused: it would commit what is open.
func (s *session) Begin() (driver.Tx, error) { return nil, errNoBegin }

var (
	errNoPrepare = errors.New("BUG: a prepared statement, where statements are text")
	errNoBegin   = errors.New("BUG: BeginTx, which would commit what is open")
)

var (
	_ driverConn = (*session)(nil)
)

// watchedConn is the socket in builds with failpoints: it passes the point between COMMIT's packet and its reply.
type watchedConn struct {
	net.Conn
	committing atomic.Bool
}

// Write writes, and passes the point when that was COMMIT.
func (w *watchedConn) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if w.committing.CompareAndSwap(true, false) {
		failpoint.Hit(failpoint.CommitWritten)
	}
	return n, err
}

// SyscallConn lets the driver look at the socket, to see whether the server has gone.
func (w *watchedConn) SyscallConn() (syscall.RawConn, error) {
	c, ok := w.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.New("no socket")
	}
	return c.SyscallConn()
}
