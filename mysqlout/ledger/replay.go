package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// Replay is what is stored of a replay when it begins, so that it counts the same records however often it is resumed.
type Replay struct {
	// Stretch describes the times between which it counts, as they were given.
	Stretch string
	// TopicID is the ID of the topic that Ranges are of.
	TopicID checkpoint.TopicID
	// Ranges are the offsets to count, one range for each partition of the topic, in order of number from 0.
	Ranges []checkpoint.Range
	State  ReplayState
}

// ReplayState is how far a replay is.
type ReplayState string

// The states, as they are stored.
const (
	Counting ReplayState = "counting" // or finished
	Swapping ReplayState = "swapping" // the other job is held
	Swapped  ReplayState = "swapped"  // the table is that of the other job
)

// Replay reads what is stored of the job's replay of a topic. ok is false if there is none. The table etl_replay must
// exist.
func (l *Ledger) Replay(ctx context.Context, topic string) (r Replay, ok bool, err error) {
	const doing = "read etl_replay"
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return r, false, sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	r, err = l.ReadReplay(ctx, tx, topic)
	if err != nil {
		return r, false, sqlerr.Classify(doing, err)
	}
	return r, len(r.Ranges) > 0, nil
}

// ReadReplay is Replay within a transaction; without a replay it returns no ranges.
func (l *Ledger) ReadReplay(ctx context.Context, tx *pool.Tx, topic string) (r Replay, err error) {
	text := sqltext.AppendTopic([]byte("SELECT partition_id, topic_id, first_offset, end_offset, stretch, state FROM etl_replay"), l.job, topic)
	err = tx.Query(ctx, string(append(text, " ORDER BY partition_id"...)), func(scan func(...any) error) error {
		at := checkpoint.Range{Partition: checkpoint.Partition{Topic: topic}}
		var id []byte
		if err := scan(&at.ID, &id, &at.First, &at.Next, &r.Stretch, &r.State); err != nil {
			return err
		}
		copy(r.TopicID[:], id)
		r.Ranges = append(r.Ranges, at)
		return nil
	})
	if err != nil {
		return r, err
	}
	for i, at := range r.Ranges {
		if int(at.ID) != i {
			return r, &checkpoint.Error{
				Class: checkpoint.ErrRefused,
				Err:   fmt.Errorf("etl_replay has no row of partition %d of job %s, but one of partition %d", i, l.job, at.ID),
				Hint:  "rows were deleted; begin another replay, into another table",
			}
		}
	}
	return r, nil
}

// BeginReplay stores a replay, in one transaction, unless it is stored already, and returns what is stored: another
// process may have been first.
func (l *Ledger) BeginReplay(ctx context.Context, topic string, r Replay) (Replay, error) {
	err := l.insertReplay(ctx, topic, r)
	if err != nil && sqlerr.Number(err) != errDuplicate {
		return r, sqlerr.Classify("write etl_replay", err)
	}
	stored, ok, err := l.Replay(ctx, topic)
	if err == nil && !ok {
		err = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("the ranges of the replay were written to etl_replay, but cannot be read back")}
	}
	return stored, err
}

const errDuplicate = 1062

func (l *Ledger) insertReplay(ctx context.Context, topic string, r Replay) error {
	text := []byte("INSERT INTO etl_replay (job, topic, partition_id, topic_id, first_offset, end_offset, stretch, state, since) VALUES ")
	for i, at := range r.Ranges {
		if i > 0 {
			text = append(text, ',')
		}
		text = sqltext.AppendText(append(text, '('), l.job)
		text = sqltext.AppendText(append(text, ','), topic)
		text = sqltext.AppendBytes(fmt.Appendf(text, ",%d,", at.ID), r.TopicID[:])
		text = sqltext.AppendText(fmt.Appendf(text, ",%d,%d,", at.First, at.Next), r.Stretch)
		text = append(sqltext.AppendText(append(text, ','), string(Counting)), ",UTC_TIMESTAMP(6))"...)
	}
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, string(text)); err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	return tx.Commit(ctx)
}
