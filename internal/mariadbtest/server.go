package mariadbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// User and Password of a private server; the user has all privileges.
const (
	User     = "sluice"
	Password = "sluice"
)

// startWait is how long a server may take to reply: usually 2 s, many times that on a loaded machine.
const startWait = 90 * time.Second

// Server is a MariaDB or MySQL. Its methods are not safe for concurrent use; the server is.
type Server struct {
	opts     options
	dir      string
	port     int
	program  string
	mariadb  bool
	pid      int // 0 while it does not run
	guard    *exec.Cmd
	guardIn  io.Closer
	external *mysql.Config // from ETL_TEST_DSN
	shared   bool
}

type options struct {
	private bool
	flush   int
	args    []string
	dir     string
}

// Option configures a server. Any option makes it the caller's own.
type Option func(*options)

// Private selects a server of the caller's own with the default settings.
func Private() Option { return func(o *options) { o.private = true } }

// Flush sets innodb_flush_log_at_trx_commit: 0, 1 or 2. With 0 a killed server may lose up to a second of commits.
func Flush(n int) Option { return func(o *options) { o.private, o.flush = true, n } }

// Args adds arguments for the server program.
func Args(args ...string) Option {
	return func(o *options) { o.private, o.args = true, append(o.args, args...) }
}

// Dir sets the directory in which the server's directory is created. The default is the system's temporary directory.
func Dir(dir string) Option { return func(o *options) { o.private, o.dir = true, dir } }

// New starts a server of the caller's own; the caller must call Close. An error that wraps [ErrUnavailable] means that
// this machine has no server program.
func New(opts ...Option) (*Server, error) {
	o := options{private: true, flush: 2}
	for _, f := range opts {
		f(&o)
	}
	program, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, program: program}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ErrUnavailable means that there is no server to test with.
var ErrUnavailable = errors.New("no MariaDB or MySQL: neither ETL_TEST_DSN nor mariadbd or mysqld in PATH, /usr/sbin or /usr/libexec")

func find() (string, error) {
	for _, name := range []string{"mariadbd", "mysqld"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/bin"} {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", ErrUnavailable
}

func (s *Server) create() error {
	version, err := exec.Command(s.program, "--no-defaults", "--version").Output()
	if err != nil {
		return fmt.Errorf("read the version of %s: %w", s.program, err)
	}
	s.mariadb = strings.Contains(string(version), "MariaDB")
	if s.dir, err = os.MkdirTemp(s.opts.dir, "sluice-mysql-"); err != nil {
		return err
	}
	if err := s.startGuard(); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("init.sql"), []byte(
		"CREATE USER IF NOT EXISTS '"+User+"'@'%' IDENTIFIED BY '"+Password+"';\n"+
			"GRANT ALL PRIVILEGES ON *.* TO '"+User+"'@'%' WITH GRANT OPTION;\n"), 0o644); err != nil {
		return err
	}
	// When a server starts it removes every temporary table in its tmpdir, including those of other servers, so each
	// has its own.
	for _, name := range []string{"data", "tmp"} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		for _, path := range []string{s.dir, s.path("data"), s.path("tmp")} {
			if out, err := exec.Command("chown", "mysql", path).CombinedOutput(); err != nil {
				return fmt.Errorf("change the owner of %s to the server's user mysql: %w: %s", path, err, out)
			}
		}
	}
	if err := s.install(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return err
	}
	return s.Restart()
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// install creates the data directory.
func (s *Server) install() error {
	var cmd *exec.Cmd
	if s.mariadb {
		program := "mariadb-install-db"
		if _, err := exec.LookPath(program); err != nil {
			program = "mysql_install_db"
		}
		cmd = exec.Command(program, "--no-defaults", "--datadir="+s.path("data"), "--tmpdir="+s.path("tmp"),
			"--skip-test-db", "--auth-root-authentication-method=normal")
	} else {
		cmd = exec.Command(s.program, "--no-defaults", "--initialize-insecure", "--datadir="+s.path("data"),
			"--tmpdir="+s.path("tmp"))
	}
	if os.Geteuid() == 0 {
		cmd.Args = append(cmd.Args, "--user=mysql")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create the data directory with %s: %w: %s", cmd.Path, err, tail(out))
	}
	return nil
}

// Restart starts the server on the same port and waits until it replies. It does nothing if the server runs.
func (s *Server) Restart() error {
	s.own("Restart")
	if s.pid != 0 {
		return nil
	}
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.program, "--no-defaults", "--datadir="+s.path("data"), "--tmpdir="+s.path("tmp"), "--socket="+s.Socket(),
		"--port="+strconv.Itoa(s.port), "--bind-address=127.0.0.1", "--pid-file="+s.path("data/mysqld.pid"),
		"--init-file="+s.path("init.sql"), "--skip-name-resolve", "--performance-schema=OFF", "--max-connections=200",
		"--innodb-buffer-pool-size=64M", "--innodb-doublewrite=0", "--skip-log-bin", "--local-infile=1",
		"--innodb-flush-log-at-trx-commit="+strconv.Itoa(s.opts.flush))
	if s.mariadb {
		cmd.Args = append(cmd.Args, "--innodb-log-file-size=32M")
	}
	if os.Geteuid() == 0 {
		cmd.Args = append(cmd.Args, "--user=mysql")
	}
	cmd.Args = append(cmd.Args, s.opts.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must reach the tests, not their server
	if err := cmd.Start(); err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("pid"), []byte(strconv.Itoa(s.pid)), 0o644); err != nil {
		return err
	}
	return s.awaitAnswer()
}

func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Exec("", "SELECT 1")
		if err == nil {
			return nil
		}
		if s.ended() {
			out, _ := os.ReadFile(s.path("log"))
			return fmt.Errorf("the server exited at start: %s", tail(out))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			out, _ := os.ReadFile(s.path("log"))
			return fmt.Errorf("the server did not reply within %v: %w: %s", startWait, err, tail(out))
		}
	}
}

// ended reaps the process if it has exited, without a goroutine that waits for it.
func (s *Server) ended() bool {
	if s.pid == 0 {
		return true
	}
	var status syscall.WaitStatus
	got, err := syscall.Wait4(s.pid, &status, syscall.WNOHANG, nil)
	if err == nil && got == 0 {
		return false
	}
	s.pid = 0
	_ = os.Remove(s.path("pid"))
	return true
}

// Kill kills the server with SIGKILL and waits until it has exited.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Stop stops the server with SIGTERM and waits until it has exited.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Signal sends a signal, such as SIGSTOP and SIGCONT, to the server.
func (s *Server) Signal(sig syscall.Signal) error {
	s.own("Signal")
	if s.pid == 0 {
		return errors.New("the server does not run")
	}
	return syscall.Kill(s.pid, sig)
}

func (s *Server) end(sig syscall.Signal) error {
	s.own("Kill or Stop")
	if s.ended() {
		return nil
	}
	if err := syscall.Kill(s.pid, sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !s.ended() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server did not exit within %v of signal %v", startWait, sig)
		}
	}
	return nil
}

// CopyData stops the server, copies its data directory, and restarts it. It returns the copy's name for RestoreData.
func (s *Server) CopyData() (string, error) {
	if err := s.Stop(); err != nil {
		return "", err
	}
	name := s.path("copy-" + random())
	if out, err := exec.Command("cp", "-a", s.path("data"), name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("copy the data directory: %w: %s", err, out)
	}
	return name, s.Restart()
}

// RestoreData kills the server, replaces its data directory with a copy, and restarts it: its clients see an older
// state.
func (s *Server) RestoreData(name string) error {
	if err := s.Kill(); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path("data")); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", name, s.path("data")).CombinedOutput(); err != nil {
		return fmt.Errorf("restore the data directory: %w: %s", err, out)
	}
	return s.Restart()
}

// Close kills the server and removes its directory.
func (s *Server) Close() error {
	if s.external != nil || s.dir == "" {
		return nil
	}
	err := s.Kill()
	if s.guard != nil {
		err = errors.Join(err, s.guardIn.Close(), s.guard.Wait())
	}
	err = errors.Join(err, os.RemoveAll(s.dir))
	s.dir = ""
	return err
}

// startGuard starts the shell that cleans up even if this process is killed.
func (s *Server) startGuard() error {
	s.guard = exec.Command("/bin/sh", "-c",
		`trap '' INT TERM; read x; test -f "$1/pid" && kill -9 "$(cat "$1/pid")" && sleep 0.3; rm -rf "$1"`,
		"sh", s.dir)
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.guardIn = in
	return s.guard.Start()
}

func (s *Server) own(what string) {
	if s.external != nil || s.shared && s.pid != 0 {
		panic("BUG: " + what + " on a server that other tests use; ask for mariadbtest.Private()")
	}
}

// Socket returns the server's socket, or an empty text for a server from ETL_TEST_DSN.
func (s *Server) Socket() string {
	if s.external != nil {
		return ""
	}
	return s.path("socket")
}

// Addr returns the server's host:port.
func (s *Server) Addr() string {
	if s.external != nil {
		return s.external.Addr
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// DSN returns a go-sql-driver DSN for database db over TCP; db may be empty.
func (s *Server) DSN(db string) string { return s.config(db).FormatDSN() }

// DSNVia returns the DSN for a proxy at addr, host:port.
func (s *Server) DSNVia(addr, db string) string {
	c := s.config(db)
	c.Net, c.Addr = "tcp", addr
	return c.FormatDSN()
}

func (s *Server) config(db string) *mysql.Config {
	var c *mysql.Config
	if s.external != nil {
		c = s.external.Clone()
	} else {
		c = mysql.NewConfig()
		c.Net, c.Addr, c.User, c.Passwd = "tcp", s.Addr(), User, Password
	}
	c.DBName = db
	return c
}

// Exec executes statements on one new connection, without a default database if db is empty.
func (s *Server) Exec(db string, statements ...string) (err error) {
	c := s.config(db)
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 5*time.Second, startWait, startWait
	c.Logger = quiet{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	h := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, h.Close()) }()
	h.SetMaxOpenConns(1)
	for _, text := range statements {
		if _, err := h.ExecContext(context.Background(), text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

type quiet struct{}

func (quiet) Print(...any) {}

// CreateDatabase creates a new database and returns its name.
func (s *Server) CreateDatabase() (string, error) {
	name := "t_" + random()
	return name, s.Exec("", "CREATE DATABASE "+name)
}

func random() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func tail(out []byte) string {
	const most = 2000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
