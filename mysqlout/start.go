package mysqlout

import (
	"context"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
)

// CheckStart refuses what a claim of any partition would refuse: another topic of the same name (P4), another query
// (P2), a target of another job or one that holds rows (P3), or one whose low-water mark is of another column (P36). So the process exits at the start, instead of running with
// every partition stopped. It changes nothing, and the claim checks again under its locks. Call Prepare before.
func (s *Sink) CheckStart(ctx context.Context, topic batch.Topic) error {
	const doing = "check whether the job may start"
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return s.failed(doing, err)
	}
	defer tx.Rollback(ctx)
	rows, err := s.ledger.ReadAll(ctx, tx, topic.Name)
	if err != nil {
		return s.failed(doing, err)
	}
	highest := ledger.Last{Partition: -1}
	if n := len(rows); n > 0 {
		highest = ledger.Last{Partition: rows[n-1].ID, TopicID: rows[n-1].TopicID}
	}
	partitions := make([]int32, highest.Partition+1)
	for i := range partitions {
		partitions[i] = int32(i)
	}
	if _, err := s.compare(ctx, tx, topic, partitions, rows, highest); err != nil {
		return s.failed(doing, err)
	}
	if _, err := s.readMarks(ctx, tx); err != nil {
		return s.failed(doing, err)
	}
	return nil
}
