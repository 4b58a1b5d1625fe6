package pool

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool is safe for concurrent use.
type Pool struct {
	config  Config
	db      *sql.DB
	turns   semaphore
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex // guards server and known
	server Server
	known  bool // a connection was made once, so the server's dialect and the number of places are known
	places int  // how many transactions may be open in all
}

// New creates a pool for a valid Config. It dials nothing. log and reg may be nil. The caller must call Close.
func New(c Config, log *slog.Logger, reg prometheus.Registerer) *Pool {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{config: c, log: log.With("component", "pool")}
	p.db = sql.OpenDB(&connector{config: c, setServer: p.setServer})
	p.db.SetMaxOpenConns(c.Connections)
	p.db.SetMaxIdleConns(c.Connections)
	p.db.SetConnMaxIdleTime(c.maxIdleTime())
	p.db.SetConnMaxLifetime(c.MaxLifetime)
	p.metrics = newMetrics(reg, p)
	// One at a time until the first connection has identified the server, because the embedded one accepts only one.
	p.places = 1
	p.turns.give(1)
	return p
}

// setServer stores which server a new connection has reached.
func (p *Pool) setServer(s Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && s == p.server {
		return
	}
	p.log.Info("Connected to the database server", "server", s.String(), "connections", p.config.Connections)
	p.known, p.server = true, s
	places := p.config.Connections
	if s.Dialect == Embedded {
		places = 1
	}
	if places != p.places {
		p.turns.give(places - p.places)
		p.places = places
	}
}

// Server returns the server of the newest connection; false before the first one.
func (p *Pool) Server() (Server, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server, p.known
}

// Tx takes a connection for one transaction. While all are in use it waits for its turn, or until ctx is done. The
// caller must end the Tx with Commit, Rollback or Discard. Nothing is sent: autocommit is off, so the first statement
// opens the transaction.
func (p *Pool) Tx(ctx context.Context, priority Priority) (*Tx, error) {
	began := time.Now()
	if err := p.turns.acquire(ctx, priority); err != nil {
		return nil, fmt.Errorf("wait for one of %d MySQL connections: %w", p.config.Connections, err)
	}
	p.metrics.wait.Observe(time.Since(began).Seconds())
	conn, err := p.db.Conn(ctx)
	if err != nil {
		p.turns.release()
		p.metrics.connectErrors.Inc()
		return nil, err
	}
	server, _ := p.Server()
	return &Tx{pool: p, conn: conn, Server: server}, nil
}

// Close closes idle connections at once, and connections in use when their transactions end.
func (p *Pool) Close() error { return p.db.Close() }
