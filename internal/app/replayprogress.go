package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/row"
)

// progress is how much of a replay is committed.
type progress struct {
	offsets, of int64 // of all ranges
	finished    bool  // every checkpoint is at or beyond the end of its range
	audit       checkpoint.Audit
}

func progressOf(ranges []checkpoint.Range, rows []ledger.Row) (p progress) {
	next := map[int32]int64{}
	for i := range rows {
		next[rows[i].ID] = rows[i].Next
		p.audit = p.audit.Plus(rows[i].Audit)
	}
	p.finished = true
	for _, r := range ranges {
		at, claimed := next[r.ID]
		p.of += r.Len()
		p.offsets += min(max(at, r.First), r.Next) - r.First
		p.finished = p.finished && claimed && at >= r.Next
	}
	return p
}

// The times between two looks at the checkpoints of a replay, at most, and between two reports of its progress.
const (
	lookInterval     = time.Second
	progressInterval = 10 * time.Second
)

// watchReplay reports progress until everything is committed, and then returns errReplayed. A stopped partition ends the
// replay, because nothing waits for it and the next start resumes it: its error is returned.
func (l *loading) watchReplay(ctx context.Context, engine *batch.Engine[row.Delta]) error {
	began, throttle := time.Now(), obs.NewThrottle(progressInterval)
	first := int64(-1) // offsets that were committed before this start
	for obs.Wait(ctx, min(l.cfg.Batch.Interval, lookInterval)) {
		if stopped := engine.Health().Stopped; len(stopped) > 0 {
			p := slices.MinFunc(slices.Collect(maps.Keys(stopped)), func(a, b checkpoint.Partition) int { return cmp.Compare(a.ID, b.ID) })
			return fmt.Errorf("the replay ended before its end, because partition %s stopped; once that is fixed, run the same command again to resume it: %w", p, stopped[p])
		}
		rows, err := l.ledger.Offsets(ctx, l.cfg.Kafka.Topic)
		if err != nil {
			if ok, _ := throttle.Allow("error", time.Now()); ok && ctx.Err() == nil {
				l.log.Warn("Cannot read the progress of the replay; retrying", "err", err)
			}
			continue
		}
		p := progressOf(l.cfg.Kafka.Ranges, rows)
		if first < 0 {
			first = p.offsets
		}
		if ok, _ := throttle.Allow("progress", time.Now()); !ok && !p.finished {
			continue
		}
		l.log.Info("Replay progress", p.attrs(p.offsets-first, time.Since(began))...)
		if p.finished {
			return errReplayed
		}
	}
	return nil
}

// attrs returns the progress as attributes of a log line. During the time that passed, so many offsets were committed.
func (p progress) attrs(offsets int64, passed time.Duration) []any {
	percent := 100.0
	if p.of > 0 {
		percent = float64(p.offsets*1000/p.of) / 10
	}
	attrs := []any{"percent", percent, "offsets", p.offsets, "of", p.of, "counted", p.audit.Counted, "filtered", p.audit.Filtered, "dead", p.audit.Dead, "duplicates", p.audit.Duplicates}
	if left := p.of - p.offsets; offsets > 0 && left > 0 {
		attrs = append(attrs, "remaining", time.Duration(float64(passed)*float64(left)/float64(offsets)).Round(time.Second).String())
	}
	return attrs
}
