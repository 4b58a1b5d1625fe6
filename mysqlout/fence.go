package mysqlout

import (
	"strconv"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
)

// The fence and the closing check are one statement each, whatever the number of partitions: CASE over the partition's
// number, and IN over the primary key, so that no other job's rows are locked.

// appendCase appends a value that may differ by partition; if it is the same for all, that value alone.
func appendCase(dst []byte, advances []batch.Advance, value func([]byte, *batch.Advance) []byte) []byte {
	first := string(value(nil, &advances[0]))
	same := true
	for i := range advances[1:] {
		if string(value(nil, &advances[i+1])) != first {
			same = false
			break
		}
	}
	if same {
		return append(dst, first...)
	}
	dst = append(dst, "CASE partition_id"...)
	for i := range advances {
		dst = append(dst, " WHEN "...)
		dst = strconv.AppendInt(dst, int64(advances[i].ID), 10)
		dst = append(dst, " THEN "...)
		dst = value(dst, &advances[i])
	}
	return append(dst, " END"...)
}

func appendInt(n func(*batch.Advance) int64) func([]byte, *batch.Advance) []byte {
	return func(dst []byte, m *batch.Advance) []byte { return strconv.AppendInt(dst, n(m), 10) }
}

func appendOwner(dst []byte, m *batch.Advance) []byte { return sqltext.AppendBytes(dst, m.Owner[:]) }

// appendMine appends the condition of both statements: these partitions, with this task's epoch and owner.
func (s *Sink) appendMine(dst []byte, advances []batch.Advance) []byte {
	dst = sqltext.AppendPartitions(dst, s.config.Job, advances[0].Topic, len(advances), func(i int) int32 { return advances[i].ID })
	dst = append(dst, " AND epoch = "...)
	dst = appendCase(dst, advances, appendInt(func(m *batch.Advance) int64 { return int64(m.Epoch) }))
	dst = append(dst, " AND owner = "...)
	return appendCase(dst, advances, appendOwner)
}

// appendFence appends the statement that opens a commit (P9).
func (s *Sink) appendFence(dst []byte, id checkpoint.BatchID, advances []batch.Advance) []byte {
	dst = append(dst, "UPDATE etl_checkpoint SET next_offset = "...)
	dst = appendCase(dst, advances, appendInt(func(m *batch.Advance) int64 { return m.Next }))
	dst = append(dst, ", batch_id = "...)
	dst = sqltext.AppendBytes(dst, id[:])
	dst = s.appendMine(dst, advances)
	dst = append(dst, " AND next_offset = "...)
	dst = appendCase(dst, advances, appendInt(func(m *batch.Advance) int64 { return m.First }))
	dst = append(dst, " AND query_hash = "...)
	return sqltext.AppendBytes(dst, s.config.QueryHash[:])
}

// appendClosing appends the statement that closes a commit (P11).
func (s *Sink) appendClosing(dst []byte, id checkpoint.BatchID, advances []batch.Advance) []byte {
	dst = append(dst, "UPDATE etl_checkpoint SET leader_epoch = "...)
	dst = appendCase(dst, advances, appendInt(func(m *batch.Advance) int64 { return int64(m.LeaderEpoch) }))
	for _, c := range [...]struct {
		name string
		of   func(*batch.Advance) int64
	}{
		{"counted", func(m *batch.Advance) int64 { return m.Audit.Counted }},
		{"filtered", func(m *batch.Advance) int64 { return m.Audit.Filtered }},
		{"dead", func(m *batch.Advance) int64 { return m.Audit.Dead }},
		{"gaps", func(m *batch.Advance) int64 { return m.Audit.Gaps }},
		{"duplicates", func(m *batch.Advance) int64 { return m.Audit.Duplicates }},
		{"skipped", func(m *batch.Advance) int64 { return m.Audit.Skipped }},
	} {
		dst = append(dst, ", "...)
		dst = append(dst, c.name...)
		dst = append(dst, " = "...)
		dst = append(dst, c.name...)
		dst = append(dst, " + "...)
		dst = appendCase(dst, advances, appendInt(c.of))
	}
	dst = append(dst, ", updated_at = UTC_TIMESTAMP(6)"...)
	dst = s.appendMine(dst, advances)
	dst = append(dst, " AND batch_id = "...)
	return sqltext.AppendBytes(dst, id[:])
}
