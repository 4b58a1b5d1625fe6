package mysqlout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Swap puts the table that a replay has counted in the place of another job's table. Its methods are called in this order,
// by the Sink of the replay, whose Prepare was called:
//
//  1. Hold: in one transaction, the job is fenced off, and the replay's ranges end where its checkpoints are. From then on
//     the job commits nothing, and its claims are refused, whatever its options are.
//  2. The replay counts up to these ends.
//  3. Rename: one RENAME TABLE.
//  4. Finish: in one transaction, the job's checkpoints get the audit and the query of the replay's, and are released.
//
// What a crash leaves: before 1 has committed, nothing. Between 1 and 3, a job that is held, and its own table; either the
// swap is run again, or Release gives the job its checkpoints back. Between 3 and 4, a job that is held, and the other
// table; the swap is run again, and Rename finds that it is done. After 4 has committed, a finished swap. Each step may be
// repeated.
type Swap struct {
	Job, Topic string    // the job whose table is replaced, and the topic that it reads
	Live, Into row.Table // its table, and that of the replay; without columns
}

// Old returns the table that Rename keeps the job's rows in.
func (w *Swap) Old() row.Table { return row.Table{Schema: w.Live.Schema, Name: w.Live.Name + "__old"} }

// swapHash is the query_hash of checkpoints that are held: no query has it, so that it is part of no fence.
var swapHash = func() (h [32]byte) {
	copy(h[:], "etl replay --swap is under way")
	return h
}()

// errHeld returns the error of a claim of held checkpoints.
func (s *Sink) errHeld(partitions []checkpoint.Partition) error {
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused, Partitions: partitions,
		Err:  fmt.Errorf("job %s is held, because etl replay is about to replace its table", s.config.Job),
		Hint: "wait until it has, after which the partition resumes; if it was interrupted, run the same etl replay again, or run it without " + option.Ref("swap") + " to give the job its table back",
	}
}

// heldCheckpoints returns one of the job's checkpoints if it is held, because all are then. It locks that one, so that a swap
// begins before or after the claim's transaction, and not between its statements. Claims of other processes can do the
// same.
func (s *Sink) heldCheckpoints(ctx context.Context, tx *pool.Tx, p checkpoint.Partition) (held []checkpoint.Partition, err error) {
	rows, err := s.ledger.ReadShared(ctx, tx, p)
	for i := range rows {
		if rows[i].QueryHash == swapHash {
			held = append(held, rows[i].Partition)
		}
	}
	return held, err
}

// swapTries is how often a transaction of a swap is tried. The pauses between add up to about 20 s.
const swapTries = 8

// transaction runs do in a transaction and commits it. It may be repeated: it is, after an error that a retry may fix, and
// if the outcome of COMMIT is unknown.
func (s *Sink) transaction(ctx context.Context, doing string, do func(*pool.Tx) error) (err error) {
	pause := obs.NewBackoff(200*time.Millisecond, 5*time.Second)
	for range swapTries {
		if err = s.try(ctx, doing, do); !errors.Is(err, checkpoint.ErrRetry) && !errors.Is(err, checkpoint.ErrUnknown) || !pause.Wait(ctx) {
			return err
		}
	}
	return err
}

func (s *Sink) try(ctx context.Context, doing string, do func(*pool.Tx) error) error {
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return s.failed(doing, err)
	}
	if err := do(tx); err != nil {
		sqlerr.Abandon(tx, err)
		return s.failed(doing, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return s.failed(doing, err)
	}
	return nil
}

// Extend moves the ends of the replay's ranges to the job's checkpoints. With hold, it holds the job in the same
// transaction. It refuses to, and changes nothing, if the swap would lose or repeat records.
func (s *Sink) Extend(ctx context.Context, w *Swap, hold bool) error {
	return s.transaction(ctx, "compare the checkpoints of job "+w.Job+" with the replay", func(tx *pool.Tx) error {
		live, replay, err := s.readBoth(ctx, tx, w)
		if err != nil {
			return err
		}
		if _, err := s.readCounted(ctx, tx, w); err != nil {
			return err
		}
		if replay.State != ledger.Counting { // held already, and the ends are final
			return nil
		}
		if err := s.compareSwap(ctx, tx, w, live, replay); err != nil {
			return err
		}
		if t, err := s.existing(ctx, tx, w); err != nil {
			return err
		} else if t != unnamed {
			return errTables(w, t)
		}
		state := ledger.Counting
		if hold {
			if err := s.setHash(ctx, tx, w, live, swapHash); err != nil {
				return err
			}
			state = ledger.Swapping
		}
		for i := range live {
			text := fmt.Appendf(nil, "UPDATE etl_replay SET end_offset = %d, state = ", live[i].Next)
			text = sqltext.AppendPartition(sqltext.AppendText(text, string(state)), s.config.Job, live[i].Partition)
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

// readBoth locks and reads the job's checkpoints, and then the replay.
func (s *Sink) readBoth(ctx context.Context, tx *pool.Tx, w *Swap) (live []ledger.Row, r ledger.Replay, err error) {
	job := ledger.New(w.Job, s.pool)
	if live, err = job.ReadAllLocking(ctx, tx, w.Topic); err != nil {
		return nil, r, err
	}
	r, err = s.ledger.ReadReplay(ctx, tx, w.Topic)
	return live, r, err
}

// readCounted locks and reads the checkpoints of the replay. It refuses them if they are of another query than that of the
// command, which would become that of the job.
func (s *Sink) readCounted(ctx context.Context, tx *pool.Tx, w *Swap) ([]ledger.Row, error) {
	counted, err := s.ledger.ReadAllLocking(ctx, tx, w.Topic)
	if err != nil {
		return nil, err
	}
	for i := range counted {
		if counted[i].QueryHash != s.config.QueryHash {
			return nil, &checkpoint.Error{
				Class: checkpoint.ErrRefused, Err: fmt.Errorf("swap: the rows of %s were counted by another query than that of this command", w.Into.FullName()),
				Hint: "run the command with the query that the replay began with, or begin another replay, into another table",
			}
		}
	}
	return counted, nil
}

// compareHeld refuses a replay that has not counted exactly what the job, which is held, has counted.
func compareHeld(w *Swap, live, counted []ledger.Row) error {
	same := len(live) == len(counted)
	for i := 0; same && i < len(live); i++ {
		l, c := &live[i], &counted[i]
		same = l.QueryHash == swapHash && l.ID == c.ID && l.Next == c.Next
	}
	if !same {
		return &checkpoint.Error{
			Class: checkpoint.ErrRefused, Err: fmt.Errorf("swap: the checkpoints of job %s were changed while it was held, and the replay is not at the same offsets", w.Job),
			Hint: "compare the checkpoints of both jobs (etl offsets show), and run the same command again",
		}
	}
	return nil
}

// compareSwap refuses a swap after which a record would be counted by no row of the job's table, or twice.
func (s *Sink) compareSwap(ctx context.Context, tx *pool.Tx, w *Swap, live []ledger.Row, r ledger.Replay) error {
	refused := func(hint, format string, args ...any) error {
		return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("swap: "+format, args...), Hint: hint}
	}
	if len(live) != len(r.Ranges) {
		return refused("begin another replay, into another table", "job %s has checkpoints of %d partitions of topic %s, but the replay has %d", w.Job, len(live), w.Topic, len(r.Ranges))
	}
	for i := range live {
		l, of := &live[i], r.Ranges[i]
		switch {
		case l.ID != of.ID || l.TopicID != r.TopicID:
			return refused("begin another replay, into another table", "job %s has counted another topic of the name %s than the replay", w.Job, w.Topic)
		case l.QueryHash == swapHash:
			return refused("finish that one first", "another replay is about to replace the table of job %s", w.Job)
		case l.QueryHash != live[0].QueryHash:
			return refused("wait until all processes of the job have the same query", "the partitions of job %s are counted by different queries", w.Job)
		case of.First > l.First:
			return refused("begin the replay earlier, or take over its rows by hand", "job %s has counted %v from offset %d on, but the replay begins at %d, so the rows of the records before it would be lost", w.Job, l.Partition, l.First, of.First)
		case of.Next > l.Next:
			return refused("run the same command again once the job is there", "the replay has counted %v up to offset %d, but job %s only up to %d, and would count the records between again", l.Partition, of.Next, w.Job, l.Next)
		}
	}
	if err := s.compareTopics(ctx, tx, w); err != nil {
		return err
	}
	if err := s.compareWindow(ctx, tx, w); err != nil {
		return err
	}
	return s.compareTargets(ctx, tx, w, live[0].QueryHash, refused)
}

// CompareTopics refuses a swap of a table that has rows of another topic, or whose old windows were deleted by another
// column, before anything is counted. Extend does so again.
func (s *Sink) CompareTopics(ctx context.Context, w *Swap) error {
	return s.transaction(ctx, "read the topics of job "+w.Job, func(tx *pool.Tx) error {
		if err := s.compareTopics(ctx, tx, w); err != nil {
			return err
		}
		return s.compareWindow(ctx, tx, w)
	})
}

// compareWindow requires that the windows of the replay's query begin at the column of the job's low-water mark, if it has
// one. Otherwise the claims of the job would be refused after the swap (P36).
func (s *Sink) compareWindow(ctx context.Context, tx *pool.Tx, w *Swap) error {
	stored, err := markRows(ctx, tx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	t, m := s.targets[w.Into.FullName()].table, stored[s.names.Key(&w.Live)]
	s.mu.Unlock()
	if m.column == "" {
		return nil
	}
	t.Schema, t.Name = w.Live.Schema, w.Live.Name
	return checkWindow(&t, m.column)
}

// compareTopics requires that the job has counted no other topic, whose rows the replay does not have.
func (s *Sink) compareTopics(ctx context.Context, tx *pool.Tx, w *Swap) error {
	other := ""
	text := sqltext.AppendText([]byte("SELECT topic FROM etl_checkpoint WHERE job = "), w.Job)
	text = sqltext.AppendText(append(text, " AND topic <> "...), w.Topic)
	if err := tx.Query(ctx, string(append(text, " ORDER BY topic LIMIT 1"...)), func(scan func(...any) error) error { return scan(&other) }); err != nil {
		return err
	}
	if other != "" {
		return &checkpoint.Error{
			Class: checkpoint.ErrRefused,
			Err:   fmt.Errorf("swap: job %s has counted topic %s too, and a replay of topic %s does not have the rows of its records", w.Job, other, w.Topic),
			Hint:  "start a job of another name for all topics, from their first records and into another table (" + option.Ref("start") + "), and rename the tables by hand",
		}
	}
	return nil
}

// compareTargets requires that the job's query writes the table that is replaced, and no other.
func (s *Sink) compareTargets(ctx context.Context, tx *pool.Tx, w *Swap, hash [32]byte, refused func(hint, format string, args ...any) error) error {
	text := sqltext.AppendText([]byte("SELECT table_name FROM etl_target WHERE job = "), w.Job)
	text = sqltext.AppendBytes(append(text, " AND query_hash = "...), hash[:])
	var names []string
	if err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	}); err != nil {
		return err
	}
	if naming := s.naming(); len(names) != 1 || !naming.IsStored(&w.Live, names[0]) {
		return refused("rename the tables by hand while the job is stopped, or replay the query that it has", "job %s writes the tables %v, must write %s alone", w.Job, names, w.Live.FullName())
	}
	return nil
}

func (s *Sink) naming() schema.Naming {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names
}

// setHash makes hash the query of the job's checkpoints, and fences off their owners.
func (s *Sink) setHash(ctx context.Context, tx *pool.Tx, w *Swap, live []ledger.Row, hash [32]byte) error {
	var owner checkpoint.Owner
	if _, err := rand.Read(owner[:]); err != nil {
		return err
	}
	text := sqltext.AppendBytes([]byte("UPDATE etl_checkpoint SET epoch = epoch + 1, owner = "), owner[:])
	text = sqltext.AppendBytes(append(text, ", updated_at = UTC_TIMESTAMP(6), query_hash = "...), hash[:])
	matched, err := tx.Exec(ctx, string(sqltext.AppendTopic(text, w.Job, w.Topic)))
	if err == nil && matched != int64(len(live)) {
		err = sqlerr.Bugf("changed %d checkpoints, which were locked, expected %d", matched, len(live))
	}
	return err
}

// tables are the tables of a swap that exist.
type tables struct{ live, into, old bool }

// The states before and after Rename.
var unnamed, renamed = tables{live: true, into: true}, tables{live: true, old: true}

// errTables is the error of tables that are in no state before Rename.
func errTables(w *Swap, t tables) error {
	old := w.Old()
	return &checkpoint.Error{Class: checkpoint.ErrRefused,
		Err: fmt.Errorf("swap: the tables %s and %s must exist, and %s must not; got %t, %t and %t",
			w.Live.FullName(), w.Into.FullName(), old.FullName(), t.live, t.into, t.old),
		Hint: "rename or drop " + old.FullName() + " if it is of an earlier swap"}
}

func (s *Sink) existing(ctx context.Context, tx *pool.Tx, w *Swap) (t tables, err error) {
	old := w.Old()
	for _, of := range []struct {
		table *row.Table
		there *bool
	}{{&w.Live, &t.live}, {&w.Into, &t.into}, {&old, &t.old}} {
		text := []byte("SELECT 1 FROM information_schema.tables WHERE table_schema = ")
		if of.table.Schema == "" {
			text = append(text, "DATABASE()"...)
		} else {
			text = sqltext.AppendText(text, of.table.Schema)
		}
		text = sqltext.AppendText(append(text, " AND table_name = "...), of.table.Name)
		if err := tx.Query(ctx, string(text), func(func(...any) error) error { *of.there = true; return nil }); err != nil {
			return t, s.failed("look up "+of.table.FullName(), err)
		}
	}
	return t, nil
}

// IsRenamed reports whether Rename was done.
func (s *Sink) IsRenamed(ctx context.Context, w *Swap) (is bool, err error) {
	err = s.transaction(ctx, "look up tables", func(tx *pool.Tx) error {
		t, err := s.existing(ctx, tx, w)
		is = t == renamed
		return err
	})
	return is, err
}

// Rename renames the job's table to Old and the replay's to the job's, in one statement, unless that was done. sent reports
// whether the statement may be carried out although err is not nil.
func (s *Sink) Rename(ctx context.Context, w *Swap) (sent bool, err error) {
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return false, s.failed("rename tables", err)
	}
	defer tx.Discard() // the connection has the lock
	if err := s.lockSwap(ctx, tx); err != nil {
		return false, s.failed("rename tables", err)
	}
	live, replay, err := s.readBoth(ctx, tx, w)
	if err != nil {
		return false, s.failed("rename tables", err)
	}
	counted, err := s.readCounted(ctx, tx, w)
	if err != nil {
		return false, s.failed("rename tables", err)
	}
	t, err := s.existing(ctx, tx, w)
	if err != nil || t == renamed {
		return false, err
	}
	old := w.Old()
	switch differ := compareHeld(w, live, counted); {
	case replay.State != ledger.Swapping:
		return false, &checkpoint.Error{Class: checkpoint.ErrRefused,
			Err: fmt.Errorf("swap: another process has given job %s its table back", w.Job), Hint: "run the same command again"}
	case differ != nil:
		return false, differ
	case t != unnamed:
		return false, errTables(w, t)
	}
	text := sqltext.AppendTableName([]byte("RENAME TABLE "), &w.Live)
	text = sqltext.AppendTableName(append(text, " TO "...), &old)
	text = sqltext.AppendTableName(append(text, ", "...), &w.Into)
	text = sqltext.AppendTableName(append(text, " TO "...), &w.Live)
	failpoint.Hit(failpoint.Renaming)
	if _, err = tx.Exec(ctx, string(text)); err != nil { // it commits, so it ends the locks of the rows
		return sqlerr.Number(err) == 0, s.failed(string(text), err)
	}
	failpoint.Hit(failpoint.Renamed)
	return true, nil
}

// lockSwap takes a lock that belongs to the connection, so that of Rename and Release one waits for the other: even for a
// RENAME TABLE whose connection was lost and that the server still has.
func (s *Sink) lockSwap(ctx context.Context, tx *pool.Tx) error {
	got := 0
	text := append(sqltext.AppendText([]byte("SELECT COALESCE(GET_LOCK("), s.swapLock()), ", 3), 0)"...)
	err := tx.Query(ctx, string(text), func(scan func(...any) error) error { return scan(&got) })
	if err == nil && got != 1 {
		err = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("another process is about to rename the tables")}
	}
	return err
}

// swapLock returns the lock's name. Servers accept 64 characters, so it has the hash of the job's.
func (s *Sink) swapLock() string {
	sum := sha256.Sum256([]byte(s.config.Job))
	return fmt.Sprintf("etl_replay %x", sum[:16])
}

// Finish gives the job's checkpoints the audit and the query of the replay, whose rows its table has now, and releases
// them.
func (s *Sink) Finish(ctx context.Context, w *Swap) error {
	return s.transaction(ctx, "finish the swap", func(tx *pool.Tx) error {
		live, replay, err := s.readBoth(ctx, tx, w)
		if err != nil || replay.State == ledger.Swapped {
			return err
		}
		counted, err := s.readCounted(ctx, tx, w)
		if err != nil {
			return err
		}
		if err := compareHeld(w, live, counted); err != nil {
			return err
		}
		for i := range live {
			l, c := &live[i], &counted[i]
			a := c.Audit
			text := fmt.Appendf(nil, "UPDATE etl_checkpoint SET first_offset = %d, counted = %d, filtered = %d, dead = %d, gaps = %d, duplicates = %d, skipped = %d",
				c.First, a.Counted, a.Filtered, a.Dead, a.Gaps, a.Duplicates, a.Skipped)
			if _, err := tx.Exec(ctx, string(sqltext.AppendPartition(text, w.Job, l.Partition))); err != nil {
				return err
			}
		}
		if err := s.setHash(ctx, tx, w, live, s.config.QueryHash); err != nil {
			return err
		}
		text := sqltext.AppendBytes([]byte("UPDATE etl_target SET query_hash = "), s.config.QueryHash[:])
		text = sqltext.AppendText(append(text, ", query_text = "...), sqltext.Cut(s.config.QueryText, 1<<20))
		text = sqltext.AppendText(append(text, ", since = UTC_TIMESTAMP(6) WHERE job = "...), w.Job)
		text = append(text, " AND table_name IN ("...)
		text = sqltext.AppendText(text, s.naming().Key(&w.Live))
		text = sqltext.AppendText(append(text, ','), w.Live.FullName()) // as earlier releases stored it
		if _, err := tx.Exec(ctx, string(append(text, ')'))); err != nil {
			return err
		}
		return s.setState(ctx, tx, w, ledger.Swapped)
	})
}

// Release ends a swap before the tables are renamed: the job gets its checkpoints back.
func (s *Sink) Release(ctx context.Context, w *Swap) error {
	return s.transaction(ctx, "release job "+w.Job, func(tx *pool.Tx) error {
		if err := s.lockSwap(ctx, tx); err != nil {
			return err
		}
		// A Rename that begins from here on waits for the locks of the rows, and finds that the swap has ended.
		defer func() {
			text := append(sqltext.AppendText([]byte("SELECT RELEASE_LOCK("), s.swapLock()), ')')
			_ = tx.Query(ctx, string(text), func(func(...any) error) error { return nil }) // an error ends the connection, and the lock
		}()
		live, replay, err := s.readBoth(ctx, tx, w)
		if err != nil || replay.State != ledger.Swapping {
			return err
		}
		switch t, err := s.existing(ctx, tx, w); {
		case err != nil:
			return err
		case t == renamed:
			return &checkpoint.Error{Class: checkpoint.ErrRefused,
				Err: fmt.Errorf("the tables of job %s are renamed already", w.Job), Hint: "run the replay with " + option.Ref("swap") + " again to finish"}
		}
		var hash []byte
		text := sqltext.AppendText([]byte("SELECT query_hash FROM etl_target WHERE job = "), w.Job)
		text = sqltext.AppendText(append(text, " AND table_name IN ("...), s.naming().Key(&w.Live))
		text = sqltext.AppendText(append(text, ','), w.Live.FullName())
		if err := tx.Query(ctx, string(append(text, ')')), func(scan func(...any) error) error { return scan(&hash) }); err != nil {
			return err
		}
		if len(hash) != len(swapHash) {
			return errors.New("etl_target has no row of " + w.Live.FullName())
		}
		if err := s.setHash(ctx, tx, w, live, [32]byte(hash)); err != nil {
			return err
		}
		return s.setState(ctx, tx, w, ledger.Counting)
	})
}

func (s *Sink) setState(ctx context.Context, tx *pool.Tx, w *Swap, state ledger.ReplayState) error {
	text := sqltext.AppendText([]byte("UPDATE etl_replay SET state = "), string(state))
	_, err := tx.Exec(ctx, string(sqltext.AppendTopic(text, s.config.Job, w.Topic)))
	return err
}
