package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// DeadLetterText returns the beginning and the end of a statement that writes dead letters. details means that the
// table has the column detail.
func DeadLetterText(details bool) (head, tail string) {
	head = "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, " +
		"kind, table_name, reason, value, value_length, records, next_offset, at"
	tail = " ON DUPLICATE KEY UPDATE reason = VALUES(reason)"
	if details {
		head, tail = head+", detail", tail+", detail = VALUES(detail)"
	}
	return head + ") VALUES ", tail
}

// CompareDeadLetters orders dead letters by partition, offset and statement: the order in which writers lock.
func CompareDeadLetters(a, b batch.DeadLetter) int {
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

// AppendDeadLetter appends the values of a dead letter, in at most room bytes as far as its names allow. details is
// that of DeadLetterText, and keep is the maximum number of bytes of the record's value that are stored. The value is
// cut first, then the detail, then the reason, because a dead letter that cannot be written would block its partition
// (P20).
func (l *Ledger) AppendDeadLetter(dst []byte, id checkpoint.BatchID, d *batch.DeadLetter, keep int, details bool, room int) []byte {
	from, value := len(dst), d.Value[:min(len(d.Value), keep)]
	cut := deadLetter{DeadLetter: d, details: details, detail: sqltext.MaxDetail, reason: sqltext.MaxReason}
	for {
		dst = l.appendCut(dst[:from], id, cut, nil)
		spare := room - (len(dst) - from)
		if spare < 0 && cut.shorten() {
			continue
		}
		value = value[:min(len(value), max(spare, 0)/2)] // each byte is two digits
		return l.appendCut(dst[:from], id, cut, value)
	}
}

// deadLetter is a dead letter with the maximum number of characters of its detail and its reason.
type deadLetter struct {
	*batch.DeadLetter
	details        bool // the table has the column
	detail, reason int
}

// shorten shortens the detail or, once that is empty, the reason. It reports whether anything was left to shorten.
func (l *deadLetter) shorten() bool {
	if l.details && l.detail > 0 {
		l.detail /= 2
		return true
	}
	l.reason /= 2
	return l.reason > 0
}

// appendCut appends a dead letter with the given part of its value.
func (l *Ledger) appendCut(dst []byte, id checkpoint.BatchID, d deadLetter, value []byte) []byte {
	kind := "record"
	if d.Row {
		kind = "row"
	}
	dst = sqltext.AppendText(append(dst, '('), l.job)
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

// PruneDeadLetters removes dead letters older than keep, in batches so that no lock is held for long, and returns how
// many it removed. Dead letters of kind skipped, which record an operator's change, are never removed.
func (l *Ledger) PruneDeadLetters(ctx context.Context, keep time.Duration) (removed int64, err error) {
	text := sqltext.AppendText([]byte("DELETE FROM etl_dead_letter WHERE job = "), l.job)
	text = fmt.Appendf(text, " AND kind <> 'skipped' AND at < UTC_TIMESTAMP(6) - INTERVAL %d SECOND LIMIT 1000", int64(keep.Seconds()))
	for {
		tx, err := l.pool.Tx(ctx, pool.PriorityLow)
		if err != nil {
			return removed, sqlerr.Classify("prune dead letters", err)
		}
		n, err := tx.Exec(ctx, string(text))
		if err != nil {
			sqlerr.Abandon(tx, err)
			return removed, sqlerr.Classify("prune dead letters", err)
		}
		if err := tx.Commit(ctx); err != nil {
			return removed, sqlerr.Classify("prune dead letters", err)
		}
		if removed += n; n < 1000 {
			return removed, nil
		}
	}
}
