package joined

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Config says when tables are read again, and how large they may be.
type Config struct {
	Refresh time.Duration // 0: only on demand
	MaxRows int
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Refresh: 5 * time.Minute, MaxRows: 1_000_000} }

// bytesPerRow bounds the texts of a table: as many bytes for each row that it may have, on average.
const bytesPerRow = 1 << 10

// Validate returns an error that names every option out of its bounds.
func (c Config) Validate() error {
	var errs []error
	if c.Refresh != 0 {
		errs = append(errs, option.Least("lookup-refresh", c.Refresh, time.Second))
	}
	errs = append(errs, option.Range("lookup-max-rows", c.MaxRows, 1, 50_000_000))
	return errors.Join(errs...)
}

// Reader reads the joined tables of a query. Read, Run and Failure may be called concurrently.
type Reader struct {
	config  Config
	tables  []*lookup.Table
	pool    *pool.Pool
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex
	failed map[*lookup.Table]error // of the last read; nil entries are left out
}

// New returns a Reader that has read nothing. log and reg may be nil.
func New(c Config, tables []*lookup.Table, p *pool.Pool, log *slog.Logger, reg prometheus.Registerer) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{
		config: c, tables: tables, pool: p, log: log.With("component", "joined"), metrics: newMetrics(tables, reg),
		failed: map[*lookup.Table]error{},
	}
}

// Read reads all tables, one after the other, and makes what it has read current. It returns the first error, after which
// it reads no further: a table that is not as the query needs it is checkpoint.ErrRefused.
func (r *Reader) Read(ctx context.Context) error {
	for _, t := range r.tables {
		if err := r.read(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// Run reads all tables again after every Config.Refresh, and whenever demand delivers, until ctx is done. Errors are
// logged; the tables then keep their versions.
func (r *Reader) Run(ctx context.Context, demand <-chan struct{}) {
	var tick <-chan time.Time
	if r.config.Refresh > 0 {
		ticker := time.NewTicker(r.config.Refresh)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-demand:
			r.log.Info("Reading joined tables again on demand")
		}
		r.refresh(ctx)
	}
}

// refresh reads each table again.
func (r *Reader) refresh(ctx context.Context) {
	for _, t := range r.tables {
		err := r.read(ctx, t)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log.Warn("Cannot read a joined table again; keeping the rows that were read before", "table", t.FullName(),
				"age", time.Since(t.Current().Read).Round(time.Second).String(), "err", err)
		}
	}
}

// Failure returns why the last read of a table failed; nil if none did.
func (r *Reader) Failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tables {
		if err := r.failed[t]; err != nil {
			return err
		}
	}
	return nil
}

// read reads one table. A crash at any point leaves nothing behind, because nothing is written.
func (r *Reader) read(ctx context.Context, t *lookup.Table) error {
	began := time.Now()
	v, err := r.version(ctx, t, began)
	r.mu.Lock()
	if err == nil {
		delete(r.failed, t)
	} else if ctx.Err() == nil {
		r.failed[t] = err
	}
	r.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			r.metrics.reads.WithLabelValues(t.FullName(), "failed").Inc()
		}
		return err
	}
	t.Set(v)
	r.metrics.reads.WithLabelValues(t.FullName(), "ok").Inc()
	r.log.Debug("Read a joined table", "table", t.FullName(), "rows", v.Rows(), "seconds", time.Since(began).Seconds())
	return nil
}

// version reads a table in one statement, so its rows are those of one moment.
func (r *Reader) version(ctx context.Context, t *lookup.Table, began time.Time) (*lookup.Version, error) {
	doing := "read the joined table " + t.FullName()
	refused := func(err error, hint string) error {
		return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("%s: %w", doing, err), Hint: hint}
	}
	tx, err := r.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return nil, sqlerr.Classify(doing, err)
	}
	defer func() { sqlerr.Abandon(tx, err) }()
	findings, err := schema.CheckJoined(ctx, tx, t)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, refused(errors.New(findings[0].String()), "")
	}
	text := []byte("SELECT ")
	for i := range t.Columns {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = sqltext.AppendName(text, t.Columns[i].Name)
	}
	text = sqltext.AppendTableName(append(text, " FROM "...), &row.Table{Schema: t.Schema, Name: t.Name})
	text = fmt.Appendf(text, " LIMIT %d", r.config.MaxRows+1)
	b := t.Builder(lookup.Limits{Rows: r.config.MaxRows, Bytes: bytesPerRow * int64(r.config.MaxRows)}, began)
	raw, cells, into := make([]sql.RawBytes, len(t.Columns)), make([][]byte, len(t.Columns)), make([]any, len(t.Columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	var bad error
	err = tx.Query(ctx, string(text), func(scan func(...any) error) error {
		if err := scan(into...); err != nil {
			return err
		}
		for i := range raw {
			cells[i] = raw[i]
		}
		bad = b.Add(cells)
		return bad
	})
	if _, tooLarge := errors.AsType[*lookup.TooLargeError](bad); tooLarge {
		return nil, refused(bad, "join a smaller table, or give "+option.Ref("lookup-max-rows"))
	}
	switch {
	case bad != nil:
		return nil, refused(bad, "")
	case err != nil:
		return nil, sqlerr.Classify(doing, err)
	}
	return b.Version(), nil
}
