package ledger

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// CheckpointMove is a manual change of one checkpoint: etl offsets set.
type CheckpointMove struct {
	checkpoint.Partition
	Next   int64
	Reason string // stored, never empty
	// TopicID, if not nil, is the ID of a topic that was recreated: the audit starts again, at Next.
	TopicID *checkpoint.TopicID
	// DryRun changes nothing.
	DryRun bool
}

// MoveCheckpoint changes a checkpoint manually. It returns the checkpoint before and after the change; in a dry run,
// the latter is what it would be.
//
// It raises the epoch, so the commit of a task that owns the partition is fenced: the task discards its batch and
// claims again. Records that the move passes over are counted as skipped, so the audit balances. If the checkpoint
// moves back, the records in between are subtracted from skipped, and they are counted a second time when they are read
// again. The reason is stored in etl_dead_letter, as kind "skipped". All of it is one transaction, so a crash leaves
// the checkpoint either moved, with its reason, or unchanged.
func (l *Ledger) MoveCheckpoint(ctx context.Context, c CheckpointMove) (was, is checkpoint.Checkpoint, err error) {
	doing := fmt.Sprintf("set %v to %d", c.Partition, c.Next)
	if c.Reason == "" || c.Next < 0 {
		return was, is, fmt.Errorf("%s: give an offset of 0 or more, and a reason", doing)
	}
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return was, is, sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	rows, err := l.Read(ctx, tx, c.Topic, []int32{c.ID}, true)
	if sqlerr.Number(err) == errNoTable {
		return was, is, fmt.Errorf("%s: %w", doing, errNoJobs)
	}
	if err != nil {
		return was, is, sqlerr.Classify(doing, err)
	}
	if len(rows) == 0 {
		return was, is, fmt.Errorf("%s: job %s has no checkpoint of that partition", doing, l.job)
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
			return was, is, fmt.Errorf("%s: the job began at offset %d, and records before it were never counted; to count them, start a job with another name and table",
				doing, was.First)
		}
		is.Audit.Skipped += c.Next - was.Next
	}
	if c.DryRun {
		return was, is, nil
	}
	if err := l.writeMove(ctx, tx, was, is, id, c.Reason); err != nil {
		return was, is, sqlerr.Classify(doing, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return was, is, sqlerr.Classify(doing, err)
	}
	return was, is, nil
}

func (l *Ledger) writeMove(ctx context.Context, tx *pool.Tx, was, is checkpoint.Checkpoint, id checkpoint.BatchID, reason string) error {
	a := is.Audit
	text := fmt.Appendf(nil, "UPDATE etl_checkpoint SET next_offset = %d, first_offset = %d, leader_epoch = -1, epoch = %d, "+
		"counted = %d, filtered = %d, dead = %d, gaps = %d, duplicates = %d, skipped = %d, updated_at = UTC_TIMESTAMP(6), topic_id = ",
		is.Next, is.First, is.Epoch, a.Counted, a.Filtered, a.Dead, a.Gaps, a.Duplicates, a.Skipped)
	text = sqltext.AppendBytes(text, is.TopicID[:])
	text = sqltext.AppendBytes(append(text, ", owner = "...), is.Owner[:])
	text = sqltext.AppendPartitions(text, l.job, is.Topic, 1, func(int) int32 { return is.ID })
	if _, err := tx.Exec(ctx, string(text)); err != nil {
		return err
	}
	text = append(text[:0], "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, "+
		"kind, table_name, reason, value, value_length, records, next_offset, at) VALUES ("...)
	text = sqltext.AppendText(text, l.job)
	text = sqltext.AppendText(append(text, ','), is.Topic)
	text = fmt.Appendf(text, ",%d,%d,", is.ID, was.Next)
	text = sqltext.AppendBytes(text, id[:])
	text = sqltext.AppendText(append(text, ",-1,'skipped','',"...), sqltext.Cut(reason, sqltext.MaxReason))
	text = fmt.Appendf(text, ",x'',0,%d,%d,UTC_TIMESTAMP(6))", is.Next-was.Next, is.Next)
	if _, err := tx.Exec(ctx, string(text)); err != nil {
		return err
	}
	return l.forgetIDs(ctx, tx, was, is)
}

// forgetIDs removes the event IDs of records that the new checkpoint does not count yet (P28): those from its offset
// on, and all of a topic that was recreated.
func (l *Ledger) forgetIDs(ctx context.Context, tx *pool.Tx, was, is checkpoint.Checkpoint) error {
	text := sqltext.AppendPartition([]byte("DELETE FROM etl_dedup"), l.job, is.Partition)
	if is.TopicID == was.TopicID {
		text = fmt.Appendf(text, " AND record_offset >= %d", is.Next)
	}
	_, err := tx.Exec(ctx, string(text))
	switch sqlerr.Number(err) {
	case errNoTable, errDenied: // the job stores no event IDs here
		return nil
	}
	return err
}
