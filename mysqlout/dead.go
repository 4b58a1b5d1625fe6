package mysqlout

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

const (
	deadHead = "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, " +
		"kind, table_name, reason, value, value_length, records, next_offset, at) VALUES "
	deadTail = " ON DUPLICATE KEY UPDATE reason = VALUES(reason)"
)

// writeDead writes dead letters so that they cannot be refused: an upsert, with values and reasons cut to fit their
// columns and max_allowed_packet.
func (s *Sink) writeDead(ctx context.Context, tx *pool.Tx, part *batch.Part[row.Delta]) error {
	dead := slices.Clone(part.Dead)
	slices.SortFunc(dead, compareDead)
	usual, most := s.statementBytes()
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
		one = s.appendDead(one[:0], part.ID, &dead[i], room)
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

func compareDead(a, b batch.DeadLetter) int {
	switch {
	case a.Partition != b.Partition:
		if a.Partition.Less(b.Partition) {
			return -1
		}
		return 1
	case a.Offset != b.Offset:
		if a.Offset < b.Offset {
			return -1
		}
		return 1
	}
	return a.Statement - b.Statement
}

// appendDead appends a dead letter in at most room bytes, as far as its names allow. Its value is cut, and where that is
// not enough its reason too: a dead letter that cannot be written would stop its partition for good (P20).
func (s *Sink) appendDead(dst []byte, id checkpoint.BatchID, d *batch.DeadLetter, room int) []byte {
	from, value := len(dst), d.Value[:min(len(d.Value), s.config.DeadLetterMaxBytes)]
	for reason := maxReason; ; reason /= 2 {
		dst = s.appendDeadCut(dst[:from], id, d, reason, nil)
		spare := room - (len(dst) - from)
		if spare >= 0 || reason == 0 {
			value = value[:min(len(value), max(spare, 0)/2)] // each byte is two digits
			return s.appendDeadCut(dst[:from], id, d, reason, value)
		}
	}
}

// appendDeadCut appends a dead letter with so many characters of its reason and this much of its value.
func (s *Sink) appendDeadCut(dst []byte, id checkpoint.BatchID, d *batch.DeadLetter, reason int, value []byte) []byte {
	kind := "record"
	if d.Row {
		kind = "row"
	}
	dst = appendText(append(dst, '('), s.config.Job)
	dst = appendText(append(dst, ','), d.Topic)
	dst = strconv.AppendInt(append(dst, ','), int64(d.ID), 10)
	dst = strconv.AppendInt(append(dst, ','), d.Offset, 10)
	dst = appendBytes(append(dst, ','), id[:])
	dst = strconv.AppendInt(append(dst, ','), int64(d.Statement), 10)
	dst = appendText(append(dst, ','), kind)
	dst = appendText(append(dst, ','), cut(d.Table, maxName))
	dst = appendText(append(dst, ','), cut(d.Reason, reason))
	dst = appendBytes(append(dst, ','), value)
	dst = strconv.AppendInt(append(dst, ','), max(d.Length, int64(len(d.Value))), 10)
	dst = strconv.AppendInt(append(dst, ','), max(d.Records, 1), 10)
	dst = strconv.AppendInt(append(dst, ','), d.Offset+1, 10)
	return append(dst, ",UTC_TIMESTAMP(6))"...)
}
