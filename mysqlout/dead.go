package mysqlout

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// deadText is how a statement that writes dead letters begins and ends.
func deadText(details bool) (head, tail string) {
	head = "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, " +
		"kind, table_name, reason, value, value_length, records, next_offset, at"
	tail = " ON DUPLICATE KEY UPDATE reason = VALUES(reason)"
	if details {
		head, tail = head+", detail", tail+", detail = VALUES(detail)"
	}
	return head + ") VALUES ", tail
}

// writeDead writes dead letters so that they cannot be refused: an upsert, with values, details and reasons cut to fit
// their columns and max_allowed_packet.
func (s *Sink) writeDead(ctx context.Context, tx *pool.Tx, part *batch.TaskBatch[row.Delta]) error {
	dead := slices.Clone(part.Dead)
	slices.SortFunc(dead, compareDead)
	usual, most := s.statementBytes()
	s.mu.Lock()
	details := s.details
	s.mu.Unlock()
	deadHead, deadTail := deadText(details)
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
		one = s.appendDead(one[:0], part.ID, &dead[i], details, room)
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
// not enough its detail, then its reason: a dead letter that cannot be written would stop its partition for good (P20).
func (s *Sink) appendDead(dst []byte, id checkpoint.BatchID, d *batch.DeadLetter, details bool, room int) []byte {
	from, value := len(dst), d.Value[:min(len(d.Value), s.config.DeadLetterMaxBytes)]
	l := deadLetter{DeadLetter: d, details: details, detail: sqltext.MaxDetail, reason: sqltext.MaxReason}
	for {
		dst = s.appendDeadCut(dst[:from], id, l, nil)
		spare := room - (len(dst) - from)
		if spare < 0 && l.shorten() {
			continue
		}
		value = value[:min(len(value), max(spare, 0)/2)] // each byte is two digits
		return s.appendDeadCut(dst[:from], id, l, value)
	}
}

// deadLetter is a dead letter with the characters that its detail and its reason get at most.
type deadLetter struct {
	*batch.DeadLetter
	details        bool // the table has the column
	detail, reason int
}

// shorten takes characters away, those of the detail first. It reports whether there were any.
func (l *deadLetter) shorten() bool {
	if l.details && l.detail > 0 {
		l.detail /= 2
		return true
	}
	l.reason /= 2
	return l.reason > 0
}

// appendDeadCut appends a dead letter with this much of its value.
func (s *Sink) appendDeadCut(dst []byte, id checkpoint.BatchID, d deadLetter, value []byte) []byte {
	kind := "record"
	if d.Row {
		kind = "row"
	}
	dst = sqltext.AppendText(append(dst, '('), s.config.Job)
	dst = sqltext.AppendText(append(dst, ','), d.Topic)
	dst = strconv.AppendInt(append(dst, ','), int64(d.ID), 10)
	dst = strconv.AppendInt(append(dst, ','), d.Offset, 10)
	dst = sqltext.AppendBytes(append(dst, ','), id[:])
	dst = strconv.AppendInt(append(dst, ','), int64(d.Statement), 10)
	dst = sqltext.AppendText(append(dst, ','), kind)
	dst = sqltext.AppendText(append(dst, ','), sqltext.Cut(d.Table, sqltext.MaxName))
	dst = sqltext.AppendText(append(dst, ','), sqltext.Cut(d.Reason, d.reason))
	dst = sqltext.AppendBytes(append(dst, ','), value)
	dst = strconv.AppendInt(append(dst, ','), max(d.Length, int64(len(d.Value))), 10)
	dst = strconv.AppendInt(append(dst, ','), max(d.Records, 1), 10)
	dst = strconv.AppendInt(append(dst, ','), d.Offset+1, 10)
	dst = append(dst, ",UTC_TIMESTAMP(6)"...)
	if d.details {
		dst = sqltext.AppendText(append(dst, ','), sqltext.Cut(d.Detail, d.detail))
	}
	return append(dst, ')')
}
