package mysqlout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
)

// Claim takes ownership of partitions (P7). If the outcome of its COMMIT is unknown, the error is ErrRetry, because
// claiming again does no harm.
func (s *Sink) Claim(ctx context.Context, topic batch.Topic, partitions []int32) ([]checkpoint.Checkpoint, error) {
	partitions = slices.Compact(slices.Sorted(slices.Values(partitions)))
	if len(partitions) == 0 {
		return nil, nil
	}
	if err := s.refreshSchema(ctx); err != nil {
		return nil, err
	}
	const races = 5 // another process inserted the checkpoints first; one retry normally suffices
	for range races {
		out, err := s.claim(ctx, topic, partitions)
		if sqlerr.Number(err) == errDuplicate {
			continue
		}
		if err != nil {
			err = s.failed(fmt.Sprintf("claim %d partitions of %s", len(partitions), topic.Name), err)
			var classed *checkpoint.Error
			if errors.As(err, &classed) && errors.Is(classed.Class, checkpoint.ErrUnknown) {
				classed.Class = checkpoint.ErrRetry
			}
			return nil, err
		}
		s.mu.Lock()
		for _, c := range out {
			s.held[c.Partition] = true
		}
		s.mu.Unlock()
		s.metrics.claims.Inc()
		return out, nil
	}
	return nil, &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("claim: other processes keep inserting the same checkpoints")}
}

const errDuplicate = 1062

func (s *Sink) claim(ctx context.Context, topic batch.Topic, partitions []int32) (_ []checkpoint.Checkpoint, err error) {
	tx, err := s.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			sqlerr.Abandon(tx, err)
		}
	}()
	s.mu.Lock()
	own := s.own[sqltext.CheckpointTable]
	s.mu.Unlock()
	if own != nil {
		if err := s.lockUnaltered(ctx, tx, []*target{own}); err != nil {
			return nil, err
		}
	}
	// This comes before the rows are read. A claim inserts the checkpoints of all partitions up to some number in one
	// transaction, so a checkpoint that is missing below this number was deleted; it is not one that is about to be
	// inserted.
	highest, err := s.ledger.Last(ctx, tx, topic.Name)
	if err != nil {
		return nil, err
	}
	rows, err := s.ledger.Read(ctx, tx, topic.Name, partitions, true)
	if err != nil {
		return nil, err
	}
	missing, err := s.compare(ctx, tx, topic, partitions, rows, highest)
	if err != nil {
		return nil, err
	}
	marks, err := s.readMarks(ctx, tx) // after the locks, see beginRetain
	if err != nil {
		return nil, err
	}
	if err := s.insertMissing(ctx, tx, topic, missing); err != nil {
		return nil, err
	}

	var owner checkpoint.Owner
	if _, err := rand.Read(owner[:]); err != nil {
		return nil, err
	}
	text := sqltext.AppendBytes([]byte("UPDATE etl_checkpoint SET epoch = epoch + 1, owner = "), owner[:])
	text = append(text, ", connection_id = CONNECTION_ID(), updated_at = UTC_TIMESTAMP(6), query_hash = "...)
	text = sqltext.AppendBytes(text, s.config.QueryHash[:])
	text = sqltext.AppendPartitions(text, s.config.Job, topic.Name, len(partitions), func(i int) int32 { return partitions[i] })
	matched, err := tx.Exec(ctx, string(text))
	if err != nil {
		return nil, err
	}
	if matched != int64(len(partitions)) {
		return nil, &checkpoint.Error{
			Class: checkpoint.ErrRetry, Err: fmt.Errorf("claimed %d checkpoints, expected %d", matched, len(partitions)),
		}
	}
	failpoint.Hit(failpoint.ClaimOpen)
	rows, err = s.ledger.Read(ctx, tx, topic.Name, partitions, false)
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	s.adoptMarks(marks)
	out := make([]checkpoint.Checkpoint, len(rows))
	for i := range rows {
		out[i] = rows[i].Checkpoint
	}
	return out, nil
}

// missing is what a claim has to insert.
type missing struct {
	first   bool  // it is the job's first claim of the topic
	from    int32 // one after the last partition that has a checkpoint
	to      int32 // the last partition of the claim that has none, -1 if all have one
	targets bool  // rows of etl_target are missing or out of date
	owned   owned
}

// compare checks whether a claim may proceed. It changes nothing.
func (s *Sink) compare(ctx context.Context, tx *pool.Tx, topic batch.Topic, partitions []int32, rows []ledger.Row, highest ledger.Last) (m missing, err error) {
	m.first, m.from, m.to = highest.Partition < 0, highest.Partition+1, -1
	there := map[int32]bool{}
	theirs := highest.TopicID
	var otherTopic, otherQuery, held []checkpoint.Partition
	var stored [32]byte // the fingerprint of the first of otherQuery
	for i := range rows {
		there[rows[i].ID] = true
		if rows[i].TopicID != topic.ID {
			theirs = rows[i].TopicID
			otherTopic = append(otherTopic, rows[i].Partition)
		}
		if rows[i].QueryHash == swapHash {
			held = append(held, rows[i].Partition)
		}
		if rows[i].QueryHash != s.config.QueryHash {
			if otherQuery == nil {
				stored = rows[i].QueryHash
			}
			otherQuery = append(otherQuery, rows[i].Partition)
		}
	}
	var gone, deleted []checkpoint.Partition
	s.mu.Lock()
	for _, id := range partitions {
		p := checkpoint.Partition{Topic: topic.Name, ID: id}
		if there[id] {
			continue
		}
		m.to = max(m.to, id)
		if s.held[p] {
			gone = append(gone, p)
		}
		switch {
		case id <= highest.Partition:
			deleted = append(deleted, p)
		case highest.Partition >= 0 && highest.TopicID != topic.ID:
			otherTopic = append(otherTopic, p) // a new topic that has more partitions than the one that was counted
		}
	}
	s.mu.Unlock()
	if gone != nil {
		return m, errCheckpointLost(gone)
	}
	if deleted != nil {
		return m, errDeleted(deleted)
	}
	if otherTopic != nil {
		return m, &checkpoint.Error{
			Class: checkpoint.ErrRefused, Partitions: otherTopic,
			Err: fmt.Errorf("topic %s has the ID %v, but the checkpoints of job %s are of a topic of that name with the ID %v",
				topic.Name, topic.ID, s.config.Job, theirs),
			Hint: "the topic was recreated, or this is another Kafka cluster; give this job another name, or use etl offsets set --new-topic to start with the new topic",
		}
	}
	if held == nil && m.to >= 0 && highest.Partition >= 0 { // a partition that is new to a job which may be held
		if held, err = s.heldCheckpoints(ctx, tx, checkpoint.Partition{Topic: topic.Name, ID: highest.Partition}); err != nil {
			return m, err
		}
	}
	if held != nil {
		return m, s.errHeld(held)
	}
	if otherQuery != nil && !s.config.ContinueQuery {
		return m, s.otherQuery(ctx, tx, otherQuery, stored)
	}
	m.targets = otherQuery != nil
	m.first = m.first && len(rows) == 0 // otherwise another process has inserted them since
	if m.first {
		if held, err = s.heldTopics(ctx, tx); err != nil {
			return m, err
		}
		if held != nil {
			return m, s.errHeld(held)
		}
	}
	if m.first || m.targets {
		m.targets = true
		m.owned, err = s.checkTargets(ctx, tx, m.first)
	}
	return m, err
}

func errCheckpointLost(partitions []checkpoint.Partition) error {
	return &checkpoint.Error{
		Class: checkpoint.ErrCheckpointLost, Partitions: partitions,
		Err:  fmt.Errorf("the checkpoint of %v, which this process held, is gone", partitions[0]),
		Hint: "it was deleted, or the database was restored to a state before the job's first claim; restore etl_checkpoint and the targets together from one backup",
	}
}

// errDeleted returns the error for checkpoints that this process never held but that must have existed, because a job
// has checkpoints of all partitions from 0 on. If such a partition were taken for a new one, all of it would be counted
// again.
func errDeleted(partitions []checkpoint.Partition) error {
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused, Partitions: partitions,
		Err:  fmt.Errorf("the checkpoint of %v was deleted, but those of later partitions exist", partitions[0]),
		Hint: "restore its row of etl_checkpoint from a backup that has the targets of the same moment, or start again with another job and empty tables",
	}
}

// insertMissing inserts checkpoints without an owner: in the job's first claim those of every partition of the topic,
// at the offset that --start means (P5), and later those of all new partitions, at their first record. It does not use
// IGNORE, because a duplicate means that another process inserted first and must be compared.
func (s *Sink) insertMissing(ctx context.Context, tx *pool.Tx, topic batch.Topic, m missing) error {
	if m.targets {
		if err := s.writeTargets(ctx, tx, m.owned); err != nil {
			return err
		}
	}
	if m.to < 0 {
		return nil
	}
	at := topic.Firsts
	if m.first {
		at = topic.Starts
	}
	if int(m.to) >= len(at) {
		return sqlerr.Bugf("partition %d was claimed, but the topic has %d partitions", m.to, len(at))
	}
	var text []byte
	if s.config.Dedup && !m.first {
		s.log.Warn("Partition count increased; duplicates whose original is in another partition are not detected until the dedup window has passed", "topic", topic.Name, "first_new", m.from)
	}
	usual, _ := s.statementBytes()
	for id := m.from; int(id) < len(at); id++ {
		if !m.first && at[id] > 0 {
			s.log.Warn("New partition does not start at offset 0; its missing records were never counted",
				"topic", topic.Name, "partition", id, "begins_at", at[id])
		}
		if len(text) >= usual {
			// Thousands of partitions would not fit max_allowed_packet.
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return err
			}
			text = text[:0]
		}
		if len(text) == 0 {
			text = append(text, "INSERT INTO etl_checkpoint (job, topic, partition_id, topic_id, leader_epoch, next_offset, "+
				"epoch, owner, connection_id, batch_id, query_hash, first_offset, updated_at) VALUES "...)
		} else {
			text = append(text, ',')
		}
		text = sqltext.AppendText(append(text, '('), s.config.Job)
		text = sqltext.AppendText(append(text, ','), topic.Name)
		text = strconv.AppendInt(append(text, ','), int64(id), 10)
		text = sqltext.AppendBytes(append(text, ','), topic.ID[:])
		text = append(text, ",-1,"...)
		text = strconv.AppendInt(text, at[id], 10)
		text = append(text, ",0,"...)
		text = sqltext.AppendBytes(text, make([]byte, 16))
		text = append(text, ",0,"...)
		text = sqltext.AppendBytes(text, make([]byte, 16))
		text = sqltext.AppendBytes(append(text, ','), s.config.QueryHash[:])
		text = strconv.AppendInt(append(text, ','), at[id], 10)
		text = append(text, ",UTC_TIMESTAMP(6))"...)
	}
	_, err := tx.Exec(ctx, string(text))
	return err
}
