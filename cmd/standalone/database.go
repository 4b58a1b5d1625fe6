package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	"github.com/sirupsen/logrus"

	"github.com/sluice-etl/sluice/receiver/netserver"
)

// databaseName is the only schema of the embedded server.
const databaseName = "sluice"

// clientTimeout ends a connection that does not read its result, because results are written while the server is locked.
const clientTimeout = 10 * time.Second

// database is the embedded server, in memory, which speaks MySQL's protocol.
type database struct {
	srv    *server.Server
	addr   string
	served chan struct{} // closed when the server has stopped accepting
}

// startDatabase serves any user with any password, so it must listen on 127.0.0.1.
func startDatabase(ctx context.Context, address string) (*database, error) {
	logrus.SetOutput(io.Discard) // the server logs each failing statement to the global logger of logrus
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, netserver.ListenError("--mysql-listen", address, err)
	}
	db := memory.NewDatabase(databaseName)
	db.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	cfg := server.Config{
		Protocol:          "tcp",
		Address:           l.Addr().String(),
		Listener:          l,
		ConnWriteTimeout:  clientTimeout,
		MaxLoggedQueryLen: -1,
	}
	srv, err := server.NewServerWithHandler(cfg, sqle.NewDefault(provider), sql.NewContext,
		memory.NewSessionBuilder(provider), nil,
		func(h mysql.Handler) (mysql.Handler, error) { return &oneAtATime{Handler: h}, nil })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded database: %w", err), l.Close())
	}
	d := &database{srv: srv, addr: l.Addr().String(), served: make(chan struct{})}
	go func() {
		defer close(d.served)
		_ = srv.Start() // its error is always nil
	}()
	return d, nil
}

func (d *database) dsn() string { return embeddedDSN(d.addr) }

func embeddedDSN(addr string) string { return "root@tcp(" + addr + ")/" + databaseName }

func (d *database) close() {
	_ = d.srv.Close()
	<-d.served
}

// oneAtATime executes one statement at a time, because the server's tables in memory are not safe for concurrent use, and
// users query them while etl writes them.
type oneAtATime struct {
	mysql.Handler
	mu sync.Mutex // held while a statement runs
}

func (h *oneAtATime) ComInitDB(c *mysql.Conn, schema string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Handler.ComInitDB(c, schema)
}

func (h *oneAtATime) ComQuery(ctx context.Context, c *mysql.Conn, q string, cb mysql.ResultSpoolFn) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Handler.ComQuery(ctx, c, q, cb)
}

func (h *oneAtATime) ComMultiQuery(ctx context.Context, c *mysql.Conn, q string, cb mysql.ResultSpoolFn) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Handler.ComMultiQuery(ctx, c, q, cb)
}

func (h *oneAtATime) ComStmtExecute(ctx context.Context, c *mysql.Conn, p *mysql.PrepareData, cb func(*sqltypes.Result) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Handler.ComStmtExecute(ctx, c, p, cb)
}

func (h *oneAtATime) ConnectionClosed(c *mysql.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Handler.ConnectionClosed(c)
}
