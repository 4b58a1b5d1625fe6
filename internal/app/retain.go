package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
)

// retainEvery is how often low-water marks are moved. Each move waits for the commits under way, and those that follow
// wait for it.
const retainEvery = 10 * time.Minute

// retainProgress is how often a long deletion is logged.
const retainProgress = 10 * time.Second

// The rows of a chunk, whose transaction should take no longer than longChunk.
const (
	leastChunk = 100
	firstChunk = 1000
	mostChunk  = 10_000
	shortChunk = 50 * time.Millisecond
	longChunk  = 250 * time.Millisecond
)

// expirer is what deletes old windows; mysqlout.Sink is one.
type expirer interface {
	MoveLowWater(ctx context.Context, table string) (micros int64, begun bool, err error)
	DeleteExpired(ctx context.Context, table string, limit int) (deleted int64, err error)
}

// retention deletes the old windows of tables (P36). Every process of a job has one; a crash at any point leaves rows that
// the next round of any process deletes.
type retention struct {
	log  *slog.Logger
	sink expirer
	keep map[string]time.Duration // by the full name of the table

	mu    sync.Mutex
	views map[string]retentionView
}

// retentionView is one table in the status JSON. Fields are only ever added.
type retentionView struct {
	Keep    string `json:"keep"`
	State   string `json:"state"` // waiting, deleting, done or failed
	Before  string `json:"low_water,omitempty"`
	Deleted int64  `json:"deleted"` // by this process
	Error   string `json:"error,omitempty"`
}

func newRetention(log *slog.Logger, sink expirer, keep map[string]time.Duration) *retention {
	r := &retention{log: log, sink: sink, keep: keep, views: map[string]retentionView{}}
	for table, age := range keep {
		r.views[table] = retentionView{Keep: option.Age(age).String(), State: "waiting"}
	}
	return r
}

// run deletes old windows until ctx ends, at the start and then every retainEvery. After a failure, and before the job's
// first claim, it tries again sooner.
func (r *retention) run(ctx context.Context) {
	pause := obs.NewBackoff(time.Second, time.Minute)
	throttle := obs.NewThrottle(waitLogInterval)
	for ctx.Err() == nil {
		again := false
		for _, table := range slices.Sorted(maps.Keys(r.keep)) {
			begun, err := r.round(ctx, table)
			if err != nil && ctx.Err() == nil {
				r.update(table, func(v *retentionView) { v.State, v.Error = "failed", err.Error() })
				if ok, _ := throttle.Allow(table, time.Now()); ok || !errors.Is(err, checkpoint.ErrRetry) {
					r.log.Warn("Cannot delete old windows; retrying", "table", table, "err", err)
				}
			}
			again = again || !begun || err != nil
		}
		if again {
			pause.Wait(ctx)
			continue
		}
		pause.Reset()
		obs.Wait(ctx, retainEvery)
	}
}

// round moves the low-water mark of a table, and deletes all windows below it.
func (r *retention) round(ctx context.Context, table string) (begun bool, err error) {
	micros, begun, err := r.sink.MoveLowWater(ctx, table)
	if err != nil || !begun {
		return begun, err
	}
	before := time.UnixMicro(micros).UTC().Format(time.RFC3339)
	r.update(table, func(v *retentionView) { v.State, v.Before, v.Error = "deleting", before, "" })
	var total int64
	start, throttle := time.Now(), obs.NewThrottle(retainProgress)
	throttle.Allow("", start)
	for limit := firstChunk; ; {
		began := time.Now()
		n, err := r.sink.DeleteExpired(ctx, table, limit)
		took := time.Since(began)
		total += n
		r.update(table, func(v *retentionView) { v.Deleted += n })
		if err != nil && (limit == leastChunk || !errors.Is(err, checkpoint.ErrRetry) && !errors.Is(err, checkpoint.ErrTooLarge) || ctx.Err() != nil) {
			return true, err
		}
		if err == nil && n < int64(limit) {
			break
		}
		limit = nextChunk(limit, took, err)
		if ok, _ := throttle.Allow("", time.Now()); ok {
			r.log.Info("Deleting old windows", "table", table, "before", before, "rows", total)
		}
		if !obs.Wait(ctx, took) { // half of the time belongs to others
			return true, ctx.Err()
		}
	}
	r.update(table, func(v *retentionView) { v.State = "done" })
	if total > 0 {
		r.log.Info("Deleted old windows", "table", table, "before", before, "rows", total, "seconds", time.Since(start).Seconds())
	}
	return true, nil
}

// nextChunk returns the limit of the next chunk.
func nextChunk(limit int, took time.Duration, err error) int {
	switch {
	case err != nil || took > longChunk:
		return max(limit/2, leastChunk)
	case took < shortChunk:
		return min(limit*2, mostChunk)
	}
	return limit
}

func (r *retention) update(table string, change func(*retentionView)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.views[table]
	change(&v)
	r.views[table] = v
}

// status returns the tables for the status page.
func (r *retention) status() map[string]retentionView {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.views)
}
