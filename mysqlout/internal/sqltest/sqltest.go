// Package sqltest is what the tests of mysqlout and of the packages below it share: a database of a test's own with a
// pool like that of etl, statements in the dialect of the server, and tables.
package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gsql "github.com/dolthub/go-mysql-server/sql"
	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// DB is a database that is empty at first. All that it holds is closed at the end of the test.
type DB struct {
	Server *mariadbtest.Server // nil in the embedded server
	Name   string
	Pool   *pool.Pool // as etl has it, with the timeouts of Quick
	SQL    *sql.DB    // the test's own connections; times are scanned as time.Time
}

// Open creates a database on a server.
func Open(t testing.TB, s *mariadbtest.Server) *DB {
	t.Helper()
	name := s.Database(t)
	return &DB{Server: s, Name: name, Pool: OpenPool(t, Quick(s.DSN(name))), SQL: OpenSQL(t, s.DSN(name))}
}

// Embedded starts a go-mysql-server with an empty database.
func Embedded(t testing.TB) *DB {
	t.Helper()
	const name = "standalone"
	db := memory.NewDatabase(name)
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
	c := pool.DefaultConfig()
	c.DSN = "root@tcp(" + l.Addr().String() + ")/" + name
	return &DB{Name: name, Pool: OpenPool(t, c), SQL: OpenSQL(t, c.DSN)}
}

// Quick returns a pool configuration with L, R, I of 1, 3 and 4 seconds. MySQL checks lock waits once a second, so L
// may become 2.
func Quick(dsn string) pool.Config {
	c := pool.DefaultConfig()
	c.DSN = dsn
	c.LockWait, c.Answer, c.IdleTransaction = time.Second, 3*time.Second, 4*time.Second
	return c
}

// OpenPool returns a pool that is closed at the end of the test.
func OpenPool(t testing.TB, c pool.Config) *pool.Pool {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := pool.New(c, nil, nil)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// OpenSQL returns a handle that is closed at the end of the test.
func OpenSQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.ParseTime = true
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	h := sql.OpenDB(connector)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// Version returns the version of the database's server.
func (d *DB) Version(t testing.TB) pool.Server {
	t.Helper()
	return Version(t, d.Pool)
}

// Version returns the version of the server at the other end of the pool.
func Version(t testing.TB, p *pool.Pool) pool.Server {
	t.Helper()
	tx, err := p.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	return tx.Server
}

// Exec executes statements that are written for MariaDB.
func (d *DB) Exec(t testing.TB, statements ...string) {
	t.Helper()
	is := d.Version(t)
	for _, s := range statements {
		if _, err := d.SQL.Exec(Adapt(is, s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Text returns the result of a query as lines of columns, with NULL as text.
func (d *DB) Text(t testing.TB, query string) string {
	t.Helper()
	rows, err := d.SQL.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var lines []string
	for rows.Next() {
		cells, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, c := range cells {
			if !c.Valid {
				c.String = "NULL"
			}
			line = append(line, c.String)
		}
		lines = append(lines, strings.Join(line, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(lines, "\n")
}

// Limited returns a pool whose user has exactly the privileges of the GRANTs in ddl, which is what etl check --ddl
// prints; with optional, the user can see triggers, too.
func (d *DB) Limited(t testing.TB, ddl string, optional bool) *pool.Pool {
	t.Helper()
	user := "u_" + d.Name[len(d.Name)-8:]
	d.Exec(t, "CREATE USER "+user+"@'%' IDENTIFIED BY 'x'")
	t.Cleanup(func() { _ = d.Server.Exec("", "DROP USER "+user) })
	for line := range strings.SplitSeq(ddl, "\n") {
		if optional && strings.Contains(line, "GRANT TRIGGER") {
			line = strings.TrimPrefix(line, "-- ")
		}
		if strings.HasPrefix(line, "GRANT") {
			d.Exec(t, strings.ReplaceAll(line, "'etl'@'%'", user+"@'%'"))
		}
	}
	return OpenPool(t, Quick(user+":x@tcp("+d.Server.Addr()+")/"+d.Name))
}

// Eventually polls until the condition holds.
func Eventually(t testing.TB, what string, within time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// CountsTable returns the table counts(item, n), as a query that counts words needs it.
func CountsTable() row.Table {
	return row.Table{Name: "counts", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 200},
		{Name: "n", Kind: row.Int, Merge: row.Add},
	}}
}
