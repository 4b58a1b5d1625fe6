package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
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

// String returns the stretch in its stored form.
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
// Config is that of the job whose records are counted again; the replay is a job of its own, with the name that ReplayJob
// returns. The stretch is turned into a range of offsets of each partition once, when the replay begins. From then on it
// is a job like any other, whose partitions end:
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
// With swap, the table then takes the place of the job's: see mysqlout.Swap for the steps and their crashes.
//
// An error that wraps checkpoint.ErrRefused is a replay that would have harmed data, that is finished, or whose partition
// stopped.
func Replay(ctx context.Context, cfg Config, s Stretch, swap bool, log *slog.Logger) error {
	conns := pool.New(cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // no connection is open any more
	r := newReplaying(cfg, s, conns, log)
	if err := errors.Join(r.cfg.Validate(), s.Validate(time.Now())); err != nil {
		return err
	}
	if swap && r.cfg.Plan.Tables()[0].View != nil {
		return refusedReplay("rename the table of the groups by hand while the job is stopped", "swap: clients read %s through a view", r.swap.Live.FullName())
	}
	if swap && !s.To.IsZero() {
		return option.Conflict("swap", "must be given without %s, because the replay ends where the job is", option.Ref("to"))
	}
	var stored ledger.Replay
	if err := r.retry(ctx, func() (err error) {
		stored, err = r.begin(ctx, swap)
		return err
	}); err != nil {
		return err
	}
	if swap {
		return r.andSwap(ctx, stored)
	}
	if stored.State == ledger.Swapping { // the swap was interrupted, and is cancelled
		if err := r.sink.Release(ctx, r.swap); err != nil {
			return err
		}
	}
	finished, err := r.isFinished(ctx, stored)
	if err != nil {
		return err
	}
	if finished {
		return refusedReplay("its rows are in the table; to count again, begin another one, into another table", "replay %s %s is finished", r.cfg.Sink.Job, stored.Stretch)
	}
	return r.run(ctx, stored)
}

// beginTries is how often to try to read or store what a replay begins or resumes with. The pauses between add up to about
// 20 s.
const beginTries = 8

// retry calls do until it succeeds or fails with an error that a retry cannot fix, at most beginTries times: an operator is
// present. do may be repeated although the outcome of its COMMIT is unknown.
func (r *replaying) retry(ctx context.Context, do func() error) (err error) {
	pause := obs.NewBackoff(200*time.Millisecond, 5*time.Second)
	for range beginTries {
		if err = do(); !errors.Is(err, checkpoint.ErrRetry) && !errors.Is(err, checkpoint.ErrUnknown) {
			return err
		}
		r.log.Warn("Cannot begin or resume the replay in MySQL yet; retrying", "err", err)
		if !pause.Wait(ctx) {
			return err
		}
	}
	return err
}

// replaying is a replay with what it stores.
type replaying struct {
	cfg     Config
	stretch Stretch
	log     *slog.Logger
	sink    *mysqlout.Sink
	ledger  *ledger.Ledger
	swap    *mysqlout.Swap
	conns   *pool.Pool
}

// holdAndRename holds the job, counts the rest, and renames. After an error the job may be held. sent reports whether the
// tables may be renamed although err is not nil.
func (r *replaying) holdAndRename(ctx context.Context) (sent bool, err error) {
	if err := r.sink.Extend(ctx, r.swap, true); err != nil {
		return false, err
	}
	failpoint.Hit(failpoint.Held)
	if err := r.count(ctx); err != nil {
		return false, err
	}
	return r.sink.Rename(ctx, r.swap)
}

// newReplaying returns a replay of the records of the job that cfg is of.
func newReplaying(cfg Config, s Stretch, conns *pool.Pool, log *slog.Logger) *replaying {
	into := cfg.Plan.Tables()[0]
	w := mysqlout.Swap{Job: cfg.Sink.Job, Topic: cfg.Kafka.Topic, Live: cfg.Plan.Replaced(), Into: row.Table{Schema: into.Schema, Name: into.Name}}
	cfg.Receive, cfg.Load = false, true
	cfg.Sink.Job = ReplayJob(cfg.Sink.Job, into.Shown().Name)
	cfg.Sink.Replay, cfg.Sink.Adopt, cfg.Sink.ContinueQuery = true, false, false
	cfg.Sink.QueryHash, cfg.Sink.QueryText = cfg.Plan.Fingerprint()
	cfg.Sink.Dedup = cfg.Dedup.Enabled()
	return &replaying{cfg: cfg, stretch: s, log: log, sink: mysqlout.New(cfg.Sink, conns, log, nil), ledger: ledger.New(cfg.Sink.Job, conns), swap: &w, conns: conns}
}

// run counts until everything is committed.
func (r *replaying) run(ctx context.Context, replay ledger.Replay) error {
	cfg := r.cfg
	r.log.Info("Replay begins or resumes", "job", cfg.Sink.Job, "stretch", replay.Stretch, "ranges", fmt.Sprint(replay.Ranges))
	cfg.Kafka.Ranges, cfg.Kafka.TopicID = replay.Ranges, replay.TopicID
	switch err := Run(ctx, cfg, r.log, prometheus.NewRegistry()); {
	case errors.Is(err, errReplayed):
		return nil
	case err != nil:
		return err
	}
	return errors.New("the replay was stopped before its end: run the same command again to resume it")
}

// count counts what is not committed yet, up to the stored ends.
func (r *replaying) count(ctx context.Context) error {
	var stored ledger.Replay
	if err := r.retry(ctx, func() (err error) {
		stored, _, err = r.ledger.Replay(ctx, r.cfg.Kafka.Topic)
		return err
	}); err != nil {
		return err
	}
	if finished, err := r.isFinished(ctx, stored); err != nil || finished {
		return err
	}
	return r.run(ctx, stored)
}

// releaseTimeout is how long to try to release a job that is held after the swap has failed.
const releaseTimeout = 20 * time.Second

// The replay follows the job, which runs, until it needed less than caughtUp for what the job had counted meanwhile. Each
// round is shorter than the one before if the replay is faster than the job. After catchUps rounds it holds the job anyway.
const (
	catchUps = 20
	caughtUp = 10 * time.Second
)

// andSwap counts, and swaps the tables. The job runs meanwhile, so the ends of the ranges follow its checkpoints: first
// while it runs, so that little is left, and then while it is held.
func (r *replaying) andSwap(ctx context.Context, stored ledger.Replay) error {
	if stored.State == ledger.Swapped {
		rows, err := r.ledger.Offsets(ctx, r.cfg.Kafka.Topic)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(rows, func(c ledger.Row) bool { return c.QueryHash != r.cfg.Sink.QueryHash }) {
			return refusedReplay("begin another one, into another table", "replay %s was finished and its table swapped before, with another query", r.cfg.Sink.Job)
		}
		r.log.Warn("The tables were swapped before; nothing is counted again", "job", r.cfg.Sink.Job)
		return nil
	}
	if stored.State == ledger.Swapping {
		if is, err := r.sink.IsRenamed(ctx, r.swap); err != nil {
			return err
		} else if is {
			return r.finishSwap(ctx)
		}
	}
	if err := r.count(ctx); err != nil {
		return err
	}
	for range catchUps {
		began := time.Now()
		if err := r.sink.Extend(ctx, r.swap, false); err != nil {
			return err
		}
		if err := r.count(ctx); err != nil {
			return err
		}
		if time.Since(began) < caughtUp {
			break
		}
	}
	r.log.Info("Holding the job to swap the tables", "job", r.swap.Job)
	sent, err := r.holdAndRename(ctx)
	switch {
	case err != nil && sent:
		return fmt.Errorf("it is not known whether the tables were renamed: run the same command again, which finishes the swap: %w", err)
	case err != nil:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		if failed := r.sink.Release(ctx, r.swap); failed != nil {
			return fmt.Errorf("job %s is held, until the same command runs again: %w", r.swap.Job, errors.Join(err, failed))
		}
		return err
	}
	return r.finishSwap(ctx)
}

// finishSwap releases the job after the tables were renamed.
func (r *replaying) finishSwap(ctx context.Context) error {
	if err := r.sink.Finish(ctx, r.swap); err != nil {
		return fmt.Errorf("job %s is held, until the same command runs again: %w", r.swap.Job, err)
	}
	failpoint.Hit(failpoint.Swapped)
	r.log.Info("Tables swapped", "table", r.swap.Live.FullName(), "old", r.swap.Old().Name)
	return nil
}

// begin prepares the tables, and returns the stored replay, or finds its ranges and stores them. With swap, the ranges end
// where the job is, which may be far behind the ends of the logs. The tables of a replay that swaps, or has swapped, are
// left alone.
func (r *replaying) begin(ctx context.Context, swap bool) (replay ledger.Replay, err error) {
	topic := r.cfg.Kafka.Topic
	if _, err := r.sink.Prepare(ctx, nil); err != nil {
		return replay, err
	}
	replay, ok, err := r.ledger.Replay(ctx, topic)
	if err != nil {
		return replay, err
	}
	if ok && replay.Stretch != r.stretch.String() {
		return replay, refusedReplay("begin another one, into another table, or give the same times", "replay %s began %s, but now the stretch is %s", r.cfg.Sink.Job, replay.Stretch, r.stretch)
	}
	if ok && replay.State != ledger.Counting {
		return replay, nil
	}
	if _, err := r.sink.Prepare(ctx, r.cfg.Plan.Tables()); err != nil || ok {
		return replay, err
	}
	replay.Stretch = r.stretch.String()
	if replay.TopicID, replay.Ranges, err = kafkaio.FindRanges(ctx, r.cfg.Kafka, r.stretch.From, r.stretch.To, r.log); err != nil {
		return replay, err
	}
	if swap {
		if err := r.sink.CompareTopics(ctx, r.swap); err != nil {
			return replay, err
		}
		at, err := ledger.New(r.swap.Job, r.conns).Offsets(ctx, topic)
		if err != nil {
			return replay, err
		}
		if len(at) != len(replay.Ranges) {
			return replay, refusedReplay("give the name of the job whose table is to be swapped, with "+option.Ref("job"), "swap: job %s has checkpoints of %d partitions of topic %s, expected %d", r.swap.Job, len(at), topic, len(replay.Ranges))
		}
		for i := range replay.Ranges {
			of := &replay.Ranges[i]
			of.Next = max(at[i].Next, of.First)
		}
	}
	// A table that is not free is refused before the ranges are stored for it.
	if err := r.sink.CheckStart(ctx, batch.Topic{Name: topic, ID: replay.TopicID}); err != nil {
		return replay, err
	}
	return r.ledger.BeginReplay(ctx, topic, replay)
}

// isFinished reports whether everything is committed.
func (r *replaying) isFinished(ctx context.Context, replay ledger.Replay) (finished bool, err error) {
	err = r.retry(ctx, func() error {
		rows, err := r.ledger.Offsets(ctx, r.cfg.Kafka.Topic)
		finished = err == nil && progressOf(replay.Ranges, rows).finished
		return err
	})
	return finished, err
}

func refusedReplay(hint, format string, args ...any) error {
	return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf(format, args...), Hint: hint}
}
