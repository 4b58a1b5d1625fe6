package sqltext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/checkpoint"
)

// The tables of the job itself. Their names and columns are a public interface: operators read them.
const (
	CheckpointTable = "etl_checkpoint"
	TargetTable     = "etl_target"
	DeadLetterTable = "etl_dead_letter"
	DedupTable      = "etl_dedup"
	ReplayTable     = "etl_replay"
	RetainTable     = "etl_retain"

	DetailColumn = "detail" // of etl_dead_letter; not in tables of older releases
)

// Sizes of columns of these tables, in characters.
const (
	MaxJob    = 128  // job
	MaxTopic  = 249  // topic: Kafka's own limit
	MaxReason = 1024 // reason of a dead letter
	MaxDetail = 1024 // detail of a dead letter
	MaxName   = 129  // a table's name: a schema's 64, a point, a table's 64
	MaxText   = 255  // the stretch of a replay
)

// AppendPartitions appends the condition that selects rows by job, topic and n partitions: the primary key of
// etl_checkpoint, so that no other row is read, locked or changed.
func AppendPartitions(dst []byte, job, topic string, n int, id func(int) int32) []byte {
	dst = AppendTopic(dst, job, topic)
	dst = append(dst, " AND partition_id IN ("...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(id(i)), 10)
	}
	return append(dst, ')')
}

// AppendTopic appends the condition that selects rows by job and topic.
func AppendTopic(dst []byte, job, topic string) []byte {
	dst = AppendText(append(dst, " WHERE job = "...), job)
	return AppendText(append(dst, " AND topic = "...), topic)
}

// AppendPartition appends the condition that selects rows by job and partition.
func AppendPartition(dst []byte, job string, p checkpoint.Partition) []byte {
	return fmt.Appendf(AppendTopic(dst, job, p.Topic), " AND partition_id = %d", p.ID)
}

// Cut returns text as valid UTF-8 of at most n characters.
func Cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	at := 0
	for range n {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return text[:at]
}
