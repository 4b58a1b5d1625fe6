package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Stretch is the time that a replay counts again, of the records' timestamps in Kafka: From inclusive, To exclusive. A
// zero From is the first record that Kafka has, a zero To the end of the log when the replay begins.
type Stretch struct{ From, To time.Time }

// String returns the stretch as it is stored.
func (s Stretch) String() string {
	const layout = "2006-01-02T15:04:05.000Z07:00" // Kafka's timestamps have milliseconds
	from, to := "earliest", "the end"
	if !s.From.IsZero() {
		from = s.From.UTC().Format(layout)
	}
	if !s.To.IsZero() {
		to = s.To.UTC().Format(layout)
	}
	return "from " + from + " to " + to
}

// Validate reports times that are not a stretch. now is the present.
func (s Stretch) Validate(now time.Time) error {
	if s.To.IsZero() {
		return nil
	}
	if !s.From.Before(s.To) {
		return option.Error("to", s.To.Format(time.RFC3339), "must be after %s, %s", option.Ref("from"), s.From.Format(time.RFC3339))
	}
	if s.To.After(now) {
		return option.Error("to", s.To.Format(time.RFC3339), "must not be in the future, because records of that time may still arrive; without it the replay ends with the records that are there")
	}
	return nil
}

// ReplayJob returns the name of the job of a replay, which its checkpoints and its consumer group have. So nothing of the
// job whose records are counted again is changed.
func ReplayJob(job, into string) string { return job + ".replay." + into }

// errReplayed ends the process of a replay once everything is counted.
var errReplayed = errors.New("the replay is finished")

// Replay counts a stretch of the topic into the table that the plan writes, and returns nil when all of it is committed.
// Config is that of a job that loads, with the name that ReplayJob returns. The stretch is turned into a range of offsets
// of each partition once, when the replay begins. From then on it is a job like any other, whose partitions end:
//
//  1. The tables are created and checked. A crash leaves an empty table, or one table of Sluice's own.
//  2. The ranges are stored, in one transaction. A crash before leaves nothing, so that the next start finds ranges
//     again; a crash after leaves ranges, with which the next start continues.
//  3. The first claim inserts a checkpoint for each range, at its start. A crash between leaves ranges without
//     checkpoints: the next start claims.
//  4. Batches are committed (see package batch). A crash leaves checkpoints within the ranges: the next start continues
//     there.
//  5. Every checkpoint is at the end of its range. A crash between this and the return leaves a finished replay, which
//     the next start reports.
//
// An error that wraps checkpoint.ErrRefused is a replay that would have harmed data, that is finished, or whose partition
// stopped.
func Replay(ctx context.Context, cfg Config, s Stretch, log *slog.Logger) error {
	cfg.Receive, cfg.Load = false, true
	cfg.Sink.Replay, cfg.Sink.Adopt, cfg.Sink.ContinueQuery = true, false, false
	if err := errors.Join(cfg.Validate(), s.Validate(time.Now())); err != nil {
		return err
	}
	replay, err := beginReplay(ctx, cfg, s, log)
	if err != nil {
		return err
	}
	log.Info("Replay begins or resumes", "job", cfg.Sink.Job, "stretch", replay.Stretch, "ranges", fmt.Sprint(replay.Ranges))
	cfg.Kafka.Ranges, cfg.Kafka.TopicID = replay.Ranges, replay.TopicID
	switch err := Run(ctx, cfg, log, prometheus.NewRegistry()); {
	case errors.Is(err, errReplayed):
		return nil
	case err != nil:
		return err
	}
	return errors.New("the replay was stopped before its end: run the same command again to resume it")
}

// beginReplay prepares the tables, and returns the stored replay, or finds its ranges and stores them.
func beginReplay(ctx context.Context, cfg Config, s Stretch, log *slog.Logger) (r ledger.Replay, err error) {
	conns := pool.New(cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // no connection is open any more
	cfg.Sink.QueryHash, cfg.Sink.QueryText = cfg.Plan.Fingerprint()
	cfg.Sink.Dedup = cfg.Dedup.Enabled()
	sink, stored, topic := mysqlout.New(cfg.Sink, conns, log, nil), ledger.New(cfg.Sink.Job, conns), cfg.Kafka.Topic
	if _, err := sink.Prepare(ctx, cfg.Plan.Tables()); err != nil {
		return r, err
	}
	r, ok, err := stored.Replay(ctx, topic)
	if err == nil && !ok {
		r.Stretch = s.String()
		if r.TopicID, r.Ranges, err = kafkaio.FindRanges(ctx, cfg.Kafka, s.From, s.To, log); err != nil {
			return r, err
		}
		// A table that is not free is refused before the ranges are stored for it.
		if err = sink.CheckStart(ctx, batch.Topic{Name: topic, ID: r.TopicID}); err == nil {
			r, err = stored.BeginReplay(ctx, topic, r)
		}
	}
	if err != nil {
		return r, err
	}
	if r.Stretch != s.String() {
		return r, refusedReplay("begin another one, into another table, or give the same times", "replay %s began %s, but now the stretch is %s", cfg.Sink.Job, r.Stretch, s)
	}
	at, err := stored.Offsets(ctx, topic)
	if err != nil {
		return r, err
	}
	if p := progressOf(r.Ranges, at); p.finished {
		return r, refusedReplay("its rows are in the table; to count again, begin another one, into another table", "replay %s %s is finished", cfg.Sink.Job, r.Stretch)
	}
	return r, nil
}

func refusedReplay(hint, format string, args ...any) error {
	return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf(format, args...), Hint: hint}
}

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
