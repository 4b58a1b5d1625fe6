package mariadbtest

import (
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// shared is the one server of a test binary. It is package state because the testing package offers tests no other way
// to share it; the server's guard kills it when the process exits.
var shared = sync.OnceValues(func() (*Server, error) {
	if dsn := os.Getenv("ETL_TEST_DSN"); dsn != "" {
		return At(dsn)
	}
	s, err := New()
	if err == nil {
		s.shared = true
	}
	return s, err
})

// At returns a server that is already running, by its DSN, or an error if it does not reply.
func At(dsn string) (*Server, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	s := &Server{external: c, shared: true}
	return s, s.Exec("", "SELECT 1")
}

// Start returns a running server: without options the one that all tests of the binary share, with options one of the
// test's own that is stopped with the test. The latter is always local, whatever ETL_TEST_DSN is.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	if len(opts) == 0 {
		s, err := shared()
		check(t, err)
		return s
	}
	s, err := New(opts...)
	check(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && os.Getenv("ETL_TEST_REQUIRE_MYSQL") == "":
		t.Skipf("NOT RUN: %v", err)
	default:
		t.Fatal(err)
	}
}

// Database creates a new database for a test, which is dropped when the test ends, and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name, err := s.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.shared && s.ended() {
			return // its directory was removed with it
		}
		if err := s.Exec("", "DROP DATABASE IF EXISTS "+name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return name
}
