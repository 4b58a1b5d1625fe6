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

// Resolve finds out whether a COMMIT was applied (P12). It uses another connection than the one that was lost, and a
// locking read, which waits until the old transaction has ended: so its result is final. A plain read could return "not
// committed" while the server is still applying the COMMIT. After a lock wait timeout the outcome is still unknown.
//
// Advances of length 0 check whether the checkpoints are unchanged: they are, unless the outcome is Superseded.
func (s *Sink) Resolve(ctx context.Context, id checkpoint.BatchID, advances []batch.Advance) (batch.Outcome, error) {
	if err := checkOrder(advances); err != nil {
		return batch.Superseded, err
	}
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err == nil {
		var rows []ledger.Row
		if rows, err = s.ledger.Read(ctx, tx, advances[0].Topic, partitionsOf(advances), true); err == nil {
			tx.Rollback(ctx)
			return s.outcome(id, advances, rows), nil
		}
		sqlerr.Abandon(tx, err)
	}
	s.metrics.resolves.WithLabelValues("none").Inc()
	err = s.failed("read whether "+describe(advances)+" was committed", err)
	return batch.Superseded, &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err}
}

func (s *Sink) outcome(id checkpoint.BatchID, advances []batch.Advance, rows []ledger.Row) batch.Outcome {
	committed, not := 0, 0
	at := 0
	for i := range advances {
		m := &advances[i]
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
	switch len(advances) {
	case committed:
		outcome, label = batch.Committed, "committed"
	case not:
		outcome, label = batch.NotCommitted, "not_committed"
	}
	s.metrics.resolves.WithLabelValues(label).Inc()
	return outcome
}

func partitionsOf(advances []batch.Advance) []int32 {
	out := make([]int32, len(advances))
	for i := range advances {
		out[i] = advances[i].ID
	}
	return out
}

// fenced returns the error of a fence that did not match: which partitions do not match, and who owns them now. For a
// checkpoint that does not exist it is ErrCheckpointLost.
func (s *Sink) fenced(ctx context.Context, tx *pool.Tx, advances []batch.Advance, matched int64) error {
	seen := fmt.Errorf("fence: %d of %d partitions match the checkpoint", matched, len(advances))
	// The read sees the UPDATE of this transaction in the rows that did match; their epoch, owner and hash are
	// unchanged by it.
	rows, err := s.ledger.Read(ctx, tx, advances[0].Topic, partitionsOf(advances), false)
	if err != nil {
		return err
	}
	there := map[int32]*ledger.Row{}
	for i := range rows {
		there[rows[i].ID] = &rows[i]
	}
	var gone, lost []checkpoint.Partition
	for i := range advances {
		m := &advances[i]
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
		return errCheckpointLost(gone)
	}
	return &checkpoint.Error{Class: checkpoint.ErrFenced, Err: seen, Partitions: lost}
}
