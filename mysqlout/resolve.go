package mysqlout

import (
	"context"
	"fmt"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
)

// Resolve asks what became of a COMMIT (P12), on another connection than the one that was lost, with a locking read:
// it waits until the old transaction has ended, so that its answer is final. A plain read could say "not committed"
// while the server is still carrying the COMMIT out. A lock wait timeout is not an answer.
//
// Moves of no length ask whether the checkpoints are still as they were; any answer but Other means that they are.
func (s *Sink) Resolve(ctx context.Context, id checkpoint.BatchID, moves []batch.Advance) (batch.Outcome, error) {
	if err := checkOrder(moves); err != nil {
		return batch.Superseded, err
	}
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err == nil {
		var rows []ledger.Row
		if rows, err = s.ledger.Read(ctx, tx, moves[0].Topic, partitionsOf(moves), true); err == nil {
			tx.Rollback(ctx)
			return s.answer(id, moves, rows), nil
		}
		sqlerr.Abandon(tx, err)
	}
	s.metrics.questions.WithLabelValues("none").Inc()
	err = s.failed("read whether "+describe(moves)+" was committed", err)
	return batch.Superseded, &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err}
}

func (s *Sink) answer(id checkpoint.BatchID, moves []batch.Advance, rows []ledger.Row) batch.Outcome {
	committed, not := 0, 0
	at := 0
	for i := range moves {
		m := &moves[i]
		for at < len(rows) && rows[at].ID < m.ID {
			at++
		}
		if at == len(rows) || rows[at].ID != m.ID {
			continue
		}
		switch r := &rows[at]; {
		case r.Epoch != m.Epoch || r.Owner != m.Owner:
		case m.First == m.Next && r.Next == m.Next:
			committed++
			not++
		case r.Batch == id && r.Next == m.Next:
			committed++
		case r.Next == m.First:
			not++
		}
	}
	outcome, label := batch.Superseded, "other"
	switch len(moves) {
	case committed:
		outcome, label = batch.Committed, "committed"
	case not:
		outcome, label = batch.NotCommitted, "not_committed"
	}
	s.metrics.questions.WithLabelValues(label).Inc()
	return outcome
}

func partitionsOf(moves []batch.Advance) []int32 {
	out := make([]int32, len(moves))
	for i := range moves {
		out[i] = moves[i].ID
	}
	return out
}

// fenced says who is in the way: which partitions do not match, and their owner now. A checkpoint that is not there at
// all is ErrGone.
func (s *Sink) fenced(ctx context.Context, tx *pool.Tx, moves []batch.Advance, matched int64) error {
	seen := fmt.Errorf("fence: %d of %d partitions match the checkpoint", matched, len(moves))
	// The read sees our own UPDATE of the rows that did match: their epoch, owner and hash are mine all the same.
	rows, err := s.ledger.Read(ctx, tx, moves[0].Topic, partitionsOf(moves), false)
	if err != nil {
		return err
	}
	there := map[int32]*ledger.Row{}
	for i := range rows {
		there[rows[i].ID] = &rows[i]
	}
	var gone, lost []checkpoint.Partition
	for i := range moves {
		m := &moves[i]
		switch r := there[m.ID]; {
		case r == nil:
			gone = append(gone, m.Partition)
		case r.Epoch != m.Epoch || r.Owner != m.Owner || r.QueryHash != s.config.QueryHash || r.Next != m.First && r.Next != m.Next:
			seen = fmt.Errorf("%w; %v is at %d under epoch %d of owner %v (connection %d), ours was %d under epoch %d",
				seen, m.Partition, r.Next, r.Epoch, r.Owner, r.ConnectionID, m.First, m.Epoch)
			lost = append(lost, m.Partition)
		}
	}
	if gone != nil {
		return errGone(gone)
	}
	return &checkpoint.Error{Class: checkpoint.ErrFenced, Err: seen, Partitions: lost}
}
