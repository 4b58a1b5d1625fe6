package mysqlout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Old windows of a target are deleted in three kinds of transactions, each of its own (P36):
//
//  1. Begin, once for all targets: the first mark of each is inserted, lower than any window, and the epochs of the job's
//     checkpoints are raised. (If the row of a mark was deleted, a process that knows the mark inserts it where it was.) A
//     crash before COMMIT leaves nothing. After it, every owner is fenced, claims again, and knows the marks.
//  2. Move: the mark is raised to the start of the first window that is kept. It waits for the shared locks of commits.
//     A crash before COMMIT leaves the old mark. After it, no commit adds to a window below, whether it is deleted or not.
//  3. Delete: a chunk of the rows below the mark that is stored. A crash before COMMIT leaves the chunk; after it, the next
//     process continues with the rows that are left. Nothing else stores how far the deletion is.
//
// Any process of the job whose query is that of the checkpoints may do each of them at any time. Of those that delete, one
// at a time has the lock of the target's row of etl_target, so that they do not wait for each other's rows. It waits for
// nothing that a commit locks, because a commit neither locks that row nor a row below the mark.

// noMark is the first mark of a target, from which nothing is deleted, in microseconds since 1970. It is the first time of
// a DATETIME.
var noMark = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// MoveLowWater moves the low-water mark of a target to where Config.Retain puts it now, unless it is there or beyond. It
// returns the mark in microseconds since 1970. begun is false as long as the job has no checkpoint: there is no mark then.
func (s *Sink) MoveLowWater(ctx context.Context, table string) (micros int64, begun bool, err error) {
	doing := "move the low-water mark of " + table
	t, key, err := s.retainedTarget(ctx, table)
	if err != nil {
		return 0, false, err
	}
	claimed, wanted := false, int64(row.NoLow)
	if err := s.inOwnTx(ctx, doing, func(tx *pool.Tx) (commit bool, err error) {
		if err := s.lockUnaltered(ctx, tx, []*target{t}); err != nil {
			return false, err
		}
		if claimed, err = s.ownQuery(ctx, tx, ""); err != nil || !claimed {
			return false, err
		}
		if micros, begun, err = storedMark(ctx, tx, &t.table, key, ""); err != nil {
			return false, err
		}
		if low, ok, err := schema.LowWater(ctx, tx, &t.table, s.config.Retain[table]); err != nil {
			return false, err
		} else if ok {
			wanted = low
		}
		return false, nil
	}); err != nil || !claimed {
		return 0, false, err
	}
	if !begun {
		if micros, begun, err = s.beginRetain(ctx, doing, table); err != nil || !begun {
			return 0, false, err
		}
	}
	if wanted > micros {
		if micros, err = s.raiseMark(ctx, doing, &t.table, key, wanted); err != nil {
			return 0, false, err
		}
	}
	s.adoptMarks(map[string]int64{table: micros})
	s.metrics.lowWater.WithLabelValues(table).Set(float64(micros / 1_000_000))
	return micros, true, nil
}

// raiseMark raises a mark, unless another process has raised it further, and returns it. It waits until no transaction is
// open that has read the old one.
func (s *Sink) raiseMark(ctx context.Context, doing string, t *row.Table, key string, wanted int64) (micros int64, err error) {
	err = s.inOwnTx(ctx, doing, func(tx *pool.Tx) (commit bool, err error) {
		if _, err := s.lockTarget(ctx, tx, t, ""); err != nil {
			return false, err
		}
		if claimed, err := s.ownQuery(ctx, tx, ""); err != nil || !claimed {
			return false, err
		}
		var ok bool
		if micros, ok, err = storedMark(ctx, tx, t, key, " FOR UPDATE"); err != nil || !ok || wanted <= micros {
			return false, err
		}
		text := sqltext.AppendDatetime([]byte("UPDATE etl_retain SET updated_at = UTC_TIMESTAMP(6), low_water = "), wanted)
		if _, err := tx.Exec(ctx, string(sqltext.AppendText(append(text, " WHERE table_name = "...), key))); err != nil {
			return false, err
		}
		micros = wanted
		failpoint.Hit(failpoint.LowWaterOpen)
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.LowWaterMoved)
	return micros, nil
}

// beginRetain inserts the first mark of a target, and those of the other targets that will get one, and fences all owners of
// the job's partitions, once for all targets, because they do not know the marks.
// A claim reads the marks after it has locked its checkpoints, or that of another partition or topic if its own are new.
// The first claim of a topic may find no checkpoint, so it locks the rows of etl_target before; so does a claim by which
// another job takes over the table. The checkpoints and these rows are locked here before the marks are inserted. So either
// the claim has read the mark, or its epoch is raised here, or the table belongs to another job. It does nothing before
// the job's first claim, which would find nothing to lock.
func (s *Sink) beginRetain(ctx context.Context, doing, table string) (micros int64, begun bool, err error) {
	err = s.inOwnTx(ctx, doing, func(tx *pool.Tx) (bool, error) {
		if claimed, err := s.ownQuery(ctx, tx, " FOR UPDATE"); err != nil || !claimed {
			return false, err
		}
		inserted := false
		for _, name := range slices.Sorted(maps.Keys(s.config.Retain)) { // the order in which claims lock the rows of etl_target
			first, at, err := s.insertMark(ctx, tx, name)
			if err != nil && (name == table || !errors.Is(err, checkpoint.ErrRefused)) { // a table of another job is reported in its own turn
				return false, err
			}
			if inserted = inserted || first; name == table {
				micros, begun = at, true
			}
		}
		if !inserted {
			return false, nil
		}
		var owner checkpoint.Owner
		if _, err := rand.Read(owner[:]); err != nil {
			return false, err
		}
		text := sqltext.AppendBytes([]byte("UPDATE etl_checkpoint SET epoch = epoch + 1, updated_at = UTC_TIMESTAMP(6), owner = "), owner[:])
		if _, err := tx.Exec(ctx, string(sqltext.AppendText(append(text, " WHERE job = "...), s.config.Job))); err != nil {
			return false, err
		}
		failpoint.Hit(failpoint.RetainBegins)
		return true, nil
	})
	if err != nil {
		return 0, false, err
	}
	if begun {
		failpoint.Hit(failpoint.RetainBegun)
	}
	return micros, begun, nil
}

// insertMark inserts the first mark of a target, unless it has one, and returns the mark. A mark that this process knows was
// in the table before, and its row was deleted. It is inserted where it was, because windows below it may be deleted.
func (s *Sink) insertMark(ctx context.Context, tx *pool.Tx, table string) (inserted bool, micros int64, err error) {
	t, key, err := s.retained(table)
	if err != nil {
		return false, 0, err
	}
	if _, err := s.lockTarget(ctx, tx, &t.table, " FOR UPDATE"); err != nil {
		return false, 0, err
	}
	micros, ok, err := storedMark(ctx, tx, &t.table, key, "")
	if err != nil || ok {
		return false, micros, err
	}
	micros = max(noMark, t.table.Window.Low())
	text := sqltext.AppendText([]byte("INSERT INTO etl_retain (table_name, job, window_column, low_water, updated_at) VALUES ("), key)
	text = sqltext.AppendText(append(text, ','), s.config.Job)
	text = sqltext.AppendText(append(text, ','), t.table.Window.Column)
	text = sqltext.AppendDatetime(append(text, ','), micros)
	_, err = tx.Exec(ctx, string(append(text, ",UTC_TIMESTAMP(6))"...)))
	return err == nil, micros, err
}

// DeleteExpired deletes at most limit rows of windows below the target's low-water mark, the earliest first, and returns
// how many it deleted. A number below limit means that no more are left.
func (s *Sink) DeleteExpired(ctx context.Context, table string, limit int) (deleted int64, err error) {
	t, key, err := s.retainedTarget(ctx, table)
	if err != nil {
		return 0, err
	}
	err = s.inOwnTx(ctx, "delete old windows of "+table, func(tx *pool.Tx) (bool, error) {
		// The table must be the one whose columns were checked: in another one, the column may hold something else.
		if err := s.lockUnaltered(ctx, tx, []*target{t}); err != nil {
			return false, err
		}
		if claimed, err := s.lockTarget(ctx, tx, &t.table, " FOR UPDATE"); err != nil || !claimed {
			return false, err
		}
		if claimed, err := s.ownQuery(ctx, tx, ""); err != nil || !claimed {
			return false, err
		}
		micros, ok, err := storedMark(ctx, tx, &t.table, key, "")
		if err != nil || !ok || micros <= noMark { // a TIMESTAMP cannot be compared with that on every server
			return false, err
		}
		// A DELETE that ends with its last row does not read the first row that stays, which a commit may have locked.
		rows, err := schema.CountBelow(ctx, tx, &t.table, micros, limit)
		if err != nil || rows == 0 {
			return false, err
		}
		text := schema.AppendBelow(sqltext.AppendTableName([]byte("DELETE FROM "), &t.table), &t.table, micros)
		text = append(text, " ORDER BY "...)
		text = sqltext.AppendName(text, t.table.Column(t.table.Window.Column).StoredKey()[0])
		if deleted, err = tx.Exec(ctx, string(fmt.Appendf(text, " LIMIT %d", rows))); err != nil {
			return false, err
		}
		failpoint.Hit(failpoint.Deleting)
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.Deleted)
	s.metrics.deleted.WithLabelValues(table).Add(float64(deleted))
	return deleted, nil
}

// retainedTarget returns a target of Config.Retain, and its name in etl_retain. A table that was altered is checked again
// before.
func (s *Sink) retainedTarget(ctx context.Context, table string) (*target, string, error) {
	if err := s.refreshSchema(ctx); err != nil {
		return nil, "", err
	}
	return s.retained(table)
}

func (s *Sink) retained(table string) (*target, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.targets[table]
	if t == nil || t.table.Window == nil || s.config.Retain[table] <= 0 {
		return nil, "", sqlerr.Bugf("table %s has no windows to delete, or Prepare has not checked it", table)
	}
	return t, s.names.Key(&t.table), nil
}

// lockTarget reads, and with FOR UPDATE locks, the row of etl_target of a table. claimed is false if there is none yet. It
// refuses a table that another job has taken over.
func (s *Sink) lockTarget(ctx context.Context, tx *pool.Tx, t *row.Table, lock string) (claimed bool, err error) {
	stored, err := storedTargets(ctx, tx)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	names := s.names
	s.mu.Unlock()
	for _, name := range stored {
		if !names.IsStored(t, name) {
			continue
		}
		text := sqltext.AppendText([]byte("SELECT job FROM etl_target WHERE table_name = "), name)
		if err := tx.Query(ctx, string(append(text, lock...)), func(scan func(...any) error) error {
			job := ""
			if err := scan(&job); err != nil {
				return err
			}
			if job != s.config.Job {
				return &checkpoint.Error{Class: checkpoint.ErrRefused,
					Err:  fmt.Errorf("table %s belongs to job %q, this is job %q", t.FullName(), job, s.config.Job),
					Hint: "its windows are deleted by the processes of that job alone"}
			}
			claimed = true
			return nil
		}); err != nil {
			return false, fmt.Errorf("read etl_target: %w", err)
		}
	}
	return claimed, nil
}

// ownQuery reads, and with FOR UPDATE locks, the job's checkpoints. claimed is false if there are none. It returns an error
// unless all checkpoints of the topics that this query counts are of this query: only that knows which windows the rows
// are of. While another takes over, or a replay's table the place of the target, neither moves marks or deletes.
func (s *Sink) ownQuery(ctx context.Context, tx *pool.Tx, lock string) (claimed bool, err error) {
	own, other := map[string]bool{}, map[string]bool{} // topics that have checkpoints of this query, and of another
	text := sqltext.AppendText([]byte("SELECT topic, query_hash FROM etl_checkpoint WHERE job = "), s.config.Job)
	text = append(append(text, " ORDER BY topic, partition_id"...), lock...)
	if err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var topic string
		var hash []byte
		err := scan(&topic, &hash)
		if slices.Equal(hash, s.config.QueryHash[:]) {
			own[topic] = true
		} else {
			other[topic] = true
		}
		return err
	}); err != nil {
		return false, fmt.Errorf("read etl_checkpoint: %w", err)
	}
	mixed := false
	for topic := range own {
		mixed = mixed || other[topic]
	}
	if len(own)+len(other) > 0 && (mixed || len(own) == 0) {
		return false, &checkpoint.Error{Class: checkpoint.ErrRetry,
			Err:  fmt.Errorf("partitions of job %s are counted by another query than that of this process", s.config.Job),
			Hint: "windows are deleted once all partitions are counted by the same query, and not while etl replay with " + option.Ref("swap") + " holds the job"}
	}
	return len(own) > 0, nil
}

// storedMark reads the low-water mark of a target; ok is false if there is none.
func storedMark(ctx context.Context, tx *pool.Tx, t *row.Table, key, lock string) (micros int64, ok bool, err error) {
	column := ""
	text := sqltext.AppendText([]byte("SELECT window_column, "+lowWater+" FROM etl_retain WHERE table_name = "), key)
	err = tx.Query(ctx, string(append(text, lock...)), func(scan func(...any) error) error {
		ok = true
		return scan(&column, &micros)
	})
	if err != nil {
		return 0, false, fmt.Errorf("read etl_retain: %w", err)
	}
	if ok {
		err = checkWindow(t, column)
	}
	return micros, ok, err
}

// inOwnTx runs do in a transaction, and commits it if do reports true. An unknown outcome of COMMIT is an ErrRetry: each
// of these transactions can be repeated, and finds out what was done.
func (s *Sink) inOwnTx(ctx context.Context, doing string, do func(*pool.Tx) (commit bool, err error)) error {
	tx, err := s.pool.Tx(ctx, pool.PriorityLow)
	if err != nil {
		return sqlerr.Classify(doing, err)
	}
	commit, err := do(tx)
	if err != nil {
		sqlerr.Abandon(tx, err)
		return sqlerr.Classify(doing, err)
	}
	if !commit {
		tx.Rollback(ctx)
		return nil
	}
	if err := tx.Commit(ctx); err != nil {
		err = sqlerr.Classify(doing, err)
		if errors.Is(err, checkpoint.ErrUnknown) {
			return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err}
		}
		return err
	}
	return nil
}
