package mariadbtest

import (
	"database/sql"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func count(t *testing.T, s *Server, db string) (n int) {
	t.Helper()
	h, err := sql.Open("mysql", s.DSN(db))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.QueryRow("SELECT COUNT(*) FROM a").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestServer_killRestartAndOlderState(t *testing.T) {
	t.Parallel()
	s := Start(t, Private())
	db := s.Database(t)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(s.Exec(db, "CREATE TABLE a (b INT)", "INSERT INTO a VALUES (1)"))
	older, err := s.CopyData()
	do(err)
	do(s.Exec(db, "INSERT INTO a VALUES (2)"))
	do(s.Kill())
	do(s.Restart())
	if n := count(t, s, db); n != 2 {
		t.Fatalf("%d rows after a kill, expected the 2 that were committed", n)
	}
	do(s.RestoreData(older))
	if n := count(t, s, db); n != 1 {
		t.Fatalf("%d rows in the restored state, expected 1", n)
	}
	dir, pid := s.dir, s.pid
	do(s.Close())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory still exists: %v", err)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); !os.IsNotExist(err) {
		t.Errorf("the process still exists: %v", err)
	}
	do(s.Close())
}

func TestStart_sharesOneServer(t *testing.T) {
	t.Parallel()
	a, b := Start(t), Start(t)
	if a != b {
		t.Error("two servers for one test binary")
	}
	if first, second := a.Database(t), a.Database(t); first == second {
		t.Error("two tests got one database")
	}
}
