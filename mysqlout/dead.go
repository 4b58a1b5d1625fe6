package mysqlout

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// writeDead writes dead letters in a way that the server cannot reject: an upsert, with values, details and reasons cut
// to fit their columns and max_allowed_packet.
func (s *Sink) writeDead(ctx context.Context, tx *pool.Tx, tb *batch.TaskBatch[row.Delta]) error {
	dead := slices.Clone(tb.Dead)
	slices.SortFunc(dead, ledger.CompareDeadLetters)
	usual, most := s.statementBytes()
	s.mu.Lock()
	details := s.details
	s.mu.Unlock()
	deadHead, deadTail := ledger.DeadLetterText(details)
	room := most - len(deadHead) - len(deadTail)
	var text, one []byte
	flush := func() error {
		if len(text) == 0 {
			return nil
		}
		text = append(text, deadTail...)
		if err := s.send(ctx, tx, text); err != nil {
			return fmt.Errorf("write dead letters: %w", err)
		}
		text = text[:0]
		return nil
	}
	for i := range dead {
		one = s.ledger.AppendDeadLetter(one[:0], tb.ID, &dead[i], s.config.DeadLetterMaxBytes, details, room)
		if len(text) >= usual || len(text)+1+len(one)+len(deadTail) > most {
			if err := flush(); err != nil {
				return err
			}
		}
		if len(text) == 0 {
			text = append(text, deadHead...)
		} else {
			text = append(text, ',')
		}
		text = append(text, one...)
	}
	return flush()
}
