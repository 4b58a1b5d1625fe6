package mysqlout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// Offset is a checkpoint as etl offsets show prints it.
type Offset struct {
	checkpoint.Checkpoint
	ConnectionID uint64 // of whoever claimed last; for people
	QueryHash    [32]byte
}

var errNoJobs = errors.New("the database has no table etl_checkpoint: no job has run on it; is it the right one?")

// Offsets reads the job's checkpoints of a topic, in order of partition.
func (s *Sink) Offsets(ctx context.Context, topic string) ([]Offset, error) {
	tx, err := s.pool.Tx(ctx, pool.First)
	if err != nil {
		return nil, s.failed("read offsets", err)
	}
	defer tx.Rollback(ctx)
	text := sqltext.AppendText([]byte("SELECT "+storedColumns+" FROM etl_checkpoint WHERE job = "), s.config.Job)
	text = sqltext.AppendText(append(text, " AND topic = "...), topic)
	rows, err := readStored(ctx, tx, topic, string(append(text, " ORDER BY partition_id"...)))
	if sqlerr.Number(err) == 1146 {
		return nil, errNoJobs
	}
	if err != nil {
		return nil, s.failed("read offsets", err)
	}
	out := make([]Offset, len(rows))
	for i, r := range rows {
		out[i] = Offset{r.Checkpoint, r.connection, r.hash}
	}
	return out, nil
}

// SetOffset is what a person asks for by etl offsets set.
type SetOffset struct {
	checkpoint.Partition
	Next   int64
	Reason string // kept, never empty
	// TopicID, where not nil, says that the topic was made anew and is this one now: the audit begins anew at Next.
	TopicID *checkpoint.TopicID
	// DryRun changes nothing.
	DryRun bool
}

// Set moves a checkpoint by hand. It raises the epoch, so that whoever owns the partition throws its batch away and
// claims again; what is passed over becomes skipped, so that the audit balances; what is gone back over is taken off
// skipped, and is counted a second time. The reason stays in etl_dead_letter, as kind "skipped". It returns the
// checkpoint as it was and as it is, or would be.
func (s *Sink) Set(ctx context.Context, c SetOffset) (was, is checkpoint.Checkpoint, err error) {
	doing := fmt.Sprintf("set %v to %d", c.Partition, c.Next)
	if c.Reason == "" || c.Next < 0 {
		return was, is, fmt.Errorf("%s: give an offset of 0 or more, and a reason", doing)
	}
	tx, err := s.pool.Tx(ctx, pool.First)
	if err != nil {
		return was, is, s.failed(doing, err)
	}
	defer tx.Rollback(ctx)
	rows, err := s.read(ctx, tx, c.Topic, []int32{c.ID}, true)
	if sqlerr.Number(err) == 1146 {
		return was, is, fmt.Errorf("%s: %w", doing, errNoJobs)
	}
	if err != nil {
		return was, is, s.failed(doing, err)
	}
	if len(rows) == 0 {
		return was, is, fmt.Errorf("%s: job %s has no checkpoint of it", doing, s.config.Job)
	}
	was = rows[0].Checkpoint
	is = was
	is.Epoch, is.LeaderEpoch, is.Next = was.Epoch+1, -1, c.Next
	var id checkpoint.BatchID
	if _, err := rand.Read(is.Owner[:]); err != nil {
		return was, is, err
	}
	if _, err := rand.Read(id[:]); err != nil {
		return was, is, err
	}
	if c.TopicID != nil {
		is.TopicID, is.First, is.Audit = *c.TopicID, c.Next, checkpoint.Audit{}
	} else {
		if c.Next < was.First {
			return was, is, fmt.Errorf("%s: the job began at %d, and what is before that was never counted; to count it, begin a job with another name and table",
				doing, was.First)
		}
		is.Audit.Skipped += c.Next - was.Next
	}
	if c.DryRun {
		return was, is, nil
	}
	if err := s.writeSet(ctx, tx, was, is, id, c.Reason); err != nil {
		return was, is, s.failed(doing, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return was, is, s.failed(doing, err)
	}
	return was, is, nil
}

func (s *Sink) writeSet(ctx context.Context, tx *pool.Tx, was, is checkpoint.Checkpoint, id checkpoint.BatchID, reason string) error {
	a := is.Audit
	text := fmt.Appendf(nil, "UPDATE etl_checkpoint SET next_offset = %d, first_offset = %d, leader_epoch = -1, epoch = %d, "+
		"counted = %d, filtered = %d, dead = %d, gaps = %d, duplicates = %d, skipped = %d, updated_at = UTC_TIMESTAMP(6), topic_id = ",
		is.Next, is.First, is.Epoch, a.Counted, a.Filtered, a.Dead, a.Gaps, a.Duplicates, a.Skipped)
	text = sqltext.AppendBytes(text, is.TopicID[:])
	text = sqltext.AppendBytes(append(text, ", owner = "...), is.Owner[:])
	text = s.appendRows(text, is.Topic, 1, func(int) int32 { return is.ID })
	if _, err := tx.Exec(ctx, string(text)); err != nil {
		return err
	}
	text = append(text[:0], "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, "+
		"kind, table_name, reason, value, value_length, records, next_offset, at) VALUES ("...)
	text = sqltext.AppendText(text, s.config.Job)
	text = sqltext.AppendText(append(text, ','), is.Topic)
	text = fmt.Appendf(text, ",%d,%d,", is.ID, was.Next)
	text = sqltext.AppendBytes(text, id[:])
	text = sqltext.AppendText(append(text, ",-1,'skipped','',"...), sqltext.Cut(reason, sqltext.MaxReason))
	text = fmt.Appendf(text, ",x'',0,%d,%d,UTC_TIMESTAMP(6))", is.Next-was.Next, is.Next)
	if _, err := tx.Exec(ctx, string(text)); err != nil {
		return err
	}
	return s.forgetIDs(ctx, tx, was, is)
}

// forgetIDs removes the identities of records that the new checkpoint has not counted yet (P28): those behind it, and all
// of a topic that is another one now.
func (s *Sink) forgetIDs(ctx context.Context, tx *pool.Tx, was, is checkpoint.Checkpoint) error {
	text := append([]byte("DELETE FROM etl_dedup"), s.wherePartition(is.Partition)...)
	if is.TopicID == was.TopicID {
		text = fmt.Appendf(text, " AND record_offset >= %d", is.Next)
	}
	_, err := tx.Exec(ctx, string(text))
	switch sqlerr.Number(err) {
	case 1146, 1142: // there is no such table, or no right to one: identities are not remembered here
		return nil
	}
	return err
}

// PruneDeadLetters removes dead letters older than keep, some at a time so that no lock is long, and returns how many.
// What a person has skipped is kept for ever.
func (s *Sink) PruneDeadLetters(ctx context.Context, keep time.Duration) (removed int64, err error) {
	text := sqltext.AppendText([]byte("DELETE FROM etl_dead_letter WHERE job = "), s.config.Job)
	text = fmt.Appendf(text, " AND kind <> 'skipped' AND at < UTC_TIMESTAMP(6) - INTERVAL %d SECOND LIMIT 1000", int64(keep.Seconds()))
	for {
		tx, err := s.pool.Tx(ctx, pool.Second)
		if err != nil {
			return removed, s.failed("prune dead letters", err)
		}
		n, err := tx.Exec(ctx, string(text))
		if err != nil {
			sqlerr.Abandon(tx, err)
			return removed, s.failed("prune dead letters", err)
		}
		if err := tx.Commit(ctx); err != nil {
			return removed, s.failed("prune dead letters", err)
		}
		if removed += n; n < 1000 {
			return removed, nil
		}
	}
}
