package mysqlout

import (
	"errors"
	"net"
	"strings"
	"testing"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gsql "github.com/dolthub/go-mysql-server/sql"

	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// embedded starts a go-mysql-server with an empty database and returns its DSN.
func embedded(t *testing.T) string {
	t.Helper()
	db := memory.NewDatabase("standalone")
	db.BaseDatabase.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(server.Config{Protocol: "tcp", Address: l.Addr().String(), Listener: l},
		sqle.NewDefault(provider), gsql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Start() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-done); err != nil {
			t.Errorf("embedded server: %v", err)
		}
	})
	return "root@tcp(" + l.Addr().String() + ")/standalone"
}

func TestSinktest_embedded(t *testing.T) { runEmbedded(t, countsTable(), countsDelta) }

// A table with states is written to the embedded server, too.
func TestSinktest_embeddedStateful(t *testing.T) { runEmbedded(t, latestTable(), latestCounts()) }

func runEmbedded(t *testing.T, table row.Table, delta func(*row.Table, map[string]int64) row.Delta) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness[row.Delta] {
		dsn := embedded(t)
		c := pool.DefaultConfig()
		c.DSN = dsn
		harness := sqlHarness(t, openPool(t, c), openDB(t, dsn), table, delta)
		harness.Writers = 1
		harness.Rejected = strings.Repeat("x", 201) // longer than its column
		return harness
	})
}
