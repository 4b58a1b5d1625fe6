package ledger

import (
	"context"
	"errors"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// Ledger reads and changes the stored state of one job. It is safe for concurrent use.
type Ledger struct {
	job  string
	pool *pool.Pool
}

// New returns the ledger of a job.
func New(job string, p *pool.Pool) *Ledger { return &Ledger{job: job, pool: p} }

// Row is a row of etl_checkpoint.
type Row struct {
	checkpoint.Checkpoint
	ConnectionID uint64 // of the last claim; for operators
	QueryHash    [32]byte
}

const rowColumns = "partition_id, topic_id, leader_epoch, next_offset, epoch, owner, connection_id, batch_id, " +
	"query_hash, first_offset, counted, filtered, dead, gaps, duplicates, skipped"

// Read reads the existing rows of these partitions, in order of partition. With locking, it is a locking read: it waits
// until the transactions that have written these rows have ended, and locks the rows until tx ends.
func (l *Ledger) Read(ctx context.Context, tx *pool.Tx, topic string, partitions []int32, locking bool) ([]Row, error) {
	text := []byte("SELECT " + rowColumns + " FROM etl_checkpoint")
	text = sqltext.AppendPartitions(text, l.job, topic, len(partitions), func(i int) int32 { return partitions[i] })
	text = append(text, " ORDER BY partition_id"...)
	if locking {
		text = append(text, " FOR UPDATE"...)
	}
	return readRows(ctx, tx, topic, string(text))
}

// ReadShared reads the row of a partition, and locks it until tx ends: others can do the same, but not change it.
func (l *Ledger) ReadShared(ctx context.Context, tx *pool.Tx, p checkpoint.Partition) ([]Row, error) {
	text := sqltext.AppendPartition([]byte("SELECT "+rowColumns+" FROM etl_checkpoint"), l.job, p)
	return readRows(ctx, tx, p.Topic, string(append(text, " LOCK IN SHARE MODE"...)))
}

// ReadAll reads the rows of all partitions of a topic, in order of partition.
func (l *Ledger) ReadAll(ctx context.Context, tx *pool.Tx, topic string) ([]Row, error) {
	text := sqltext.AppendTopic([]byte("SELECT "+rowColumns+" FROM etl_checkpoint"), l.job, topic)
	return readRows(ctx, tx, topic, string(append(text, " ORDER BY partition_id"...)))
}

// ReadAllLocking is ReadAll as a locking read; see Read.
func (l *Ledger) ReadAllLocking(ctx context.Context, tx *pool.Tx, topic string) ([]Row, error) {
	text := sqltext.AppendTopic([]byte("SELECT "+rowColumns+" FROM etl_checkpoint"), l.job, topic)
	return readRows(ctx, tx, topic, string(append(text, " ORDER BY partition_id FOR UPDATE"...)))
}

func readRows(ctx context.Context, tx *pool.Tx, topic, text string) ([]Row, error) {
	var out []Row
	err := tx.Query(ctx, text, func(scan func(...any) error) error {
		var r Row
		var topicID, owner, id, hash []byte
		if err := scan(&r.ID, &topicID, &r.LeaderEpoch, &r.Next, &r.Epoch, &owner, &r.ConnectionID, &id, &hash,
			&r.First, &r.Audit.Counted, &r.Audit.Filtered, &r.Audit.Dead, &r.Audit.Gaps, &r.Audit.Duplicates,
			&r.Audit.Skipped); err != nil {
			return err
		}
		r.Topic = topic
		copy(r.TopicID[:], topicID)
		copy(r.Owner[:], owner)
		copy(r.Batch[:], id)
		copy(r.QueryHash[:], hash)
		out = append(out, r)
		return nil
	})
	return out, err
}

// The server's error numbers for a table that does not exist, and for a missing privilege.
const (
	errNoTable = 1146
	errDenied  = 1142
)

var errNoJobs = errors.New("the database has no table etl_checkpoint, so no job has run on it; check that it is the right one")

// Offsets reads the job's checkpoints of a topic, in order of partition.
func (l *Ledger) Offsets(ctx context.Context, topic string) ([]Row, error) {
	const doing = "read offsets"
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return nil, sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	rows, err := l.ReadAll(ctx, tx, topic)
	if sqlerr.Number(err) == errNoTable {
		return nil, errNoJobs
	}
	if err != nil {
		return nil, sqlerr.Classify(doing, err)
	}
	return rows, nil
}

// Last is the last partition of a topic that has a checkpoint of the job; its number is -1 if none has.
type Last struct {
	Partition int32
	TopicID   checkpoint.TopicID
}

// Last reads the last partition of a topic that has a checkpoint.
func (l *Ledger) Last(ctx context.Context, tx *pool.Tx, topic string) (Last, error) {
	out := Last{Partition: -1}
	text := sqltext.AppendTopic([]byte("SELECT partition_id, topic_id FROM etl_checkpoint"), l.job, topic)
	text = append(text, " ORDER BY partition_id DESC LIMIT 1"...)
	err := tx.Query(ctx, string(text), func(scan func(...any) error) error {
		var id []byte
		if err := scan(&out.Partition, &id); err != nil {
			return err
		}
		copy(out.TopicID[:], id)
		return nil
	})
	return out, err
}

// HasCheckpoint reports whether the job has a checkpoint of the topic. If it has, the topic must not be created (P26).
func (l *Ledger) HasCheckpoint(ctx context.Context, topic string) (bool, error) {
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return false, sqlerr.Classify("look up checkpoints of "+topic, err)
	}
	defer tx.Rollback(ctx)
	last, err := l.Last(ctx, tx, topic)
	if sqlerr.Number(err) == errNoTable {
		return false, nil // no table, no checkpoint
	}
	if err != nil {
		return false, sqlerr.Classify("look up checkpoints of "+topic, err)
	}
	return last.Partition >= 0, nil
}
