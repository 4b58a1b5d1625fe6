package sinktest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// Delta is the rows that a batch adds to a [Memory]: what is added, by key.
type Delta map[string]int64

// TableName is the one table of a Memory, as batch.RejectedRow names it.
const TableName = "counts"

// Memory is a batch.Sink on a database that is a few maps. Memories that [Memory.Peer] returns are several processes on
// one database. It never blocks: what would wait for a lock returns ErrRetry. It is safe for concurrent use.
type Memory struct {
	db    *database
	query string
	held  map[checkpoint.Partition]bool // by this process; guarded by db.mu
}

type database struct {
	mu     sync.Mutex
	fault  func(Op) Fault
	reject func(key string) string
	last   uint64 // the last owner
	calls  map[OpKind]int
	states
}

// states is what a copy of the database contains.
type states struct {
	checkpoints map[checkpoint.Partition]checkpoint.Checkpoint
	query       string // of the job; empty before its first claim
	rows        Delta
	dead        map[deadKey]batch.DeadLetter
	open        []*transaction
	commits     int
}

type deadKey struct {
	checkpoint.Partition
	offset    int64
	batch     checkpoint.BatchID
	statement int
}

// transaction is one whose COMMIT was not answered, and that the server keeps open.
type transaction struct {
	batch   *batch.TaskBatch[Delta]
	waits   int  // how many calls waited for it and timed out
	applied bool // how it ends
}

// NewMemory creates an empty database and a process on it.
func NewMemory() *Memory {
	return &Memory{
		query: "query",
		held:  map[checkpoint.Partition]bool{},
		db: &database{
			calls: map[OpKind]int{},
			states: states{
				checkpoints: map[checkpoint.Partition]checkpoint.Checkpoint{},
				rows:        Delta{},
				dead:        map[deadKey]batch.DeadLetter{},
			},
		},
	}
}

// Peer returns the sink of another process of the same job on the same database.
func (m *Memory) Peer() *Memory { return m.PeerWithQuery(m.query) }

// PeerWithQuery returns the sink of another process of the same job with another query (P2).
func (m *Memory) PeerWithQuery(query string) *Memory {
	return &Memory{db: m.db, query: query, held: map[checkpoint.Partition]bool{}}
}

// Claim implements batch.Sink.
func (m *Memory) Claim(ctx context.Context, topic batch.Topic, partitions []int32) ([]checkpoint.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, classed(checkpoint.ErrRetry, err.Error(), nil)
	}
	partitions = slices.Sorted(slices.Values(partitions))
	var ours []checkpoint.Partition
	for _, p := range partitions {
		ours = append(ours, checkpoint.Partition{Topic: topic.Name, ID: p})
	}
	db := m.db
	db.mu.Lock()
	defer db.mu.Unlock()
	fault := db.next(Op{Kind: Claim, Partitions: ours})
	if fault == Retry || fault == LostBefore {
		return nil, classed(checkpoint.ErrRetry, "the claim was lost", ours)
	}
	if db.waits(ours) {
		return nil, classed(checkpoint.ErrRetry, "lock wait timeout", ours)
	}

	known := false
	for p := range db.checkpoints {
		known = known || p.Topic == topic.Name
	}
	var refused []checkpoint.Partition
	for _, p := range ours {
		c, found := db.checkpoints[p]
		switch {
		case !found && m.held[p]:
			return nil, classed(checkpoint.ErrCheckpointLost, "the checkpoint that this process held is lost", []checkpoint.Partition{p})
		case found && c.TopicID != topic.ID:
			refused = append(refused, p)
		case !found && int(p.ID) >= len(topic.Starts):
			return nil, fmt.Errorf("BUG: partition %v claimed, the topic has %d", p, len(topic.Starts))
		}
	}
	if refused != nil {
		return nil, classed(checkpoint.ErrRefused, "another topic of the same name", refused)
	}
	if db.query != "" && db.query != m.query {
		return nil, classed(checkpoint.ErrRefused, fmt.Sprintf("the job counts %q, not %q", db.query, m.query), ours)
	}

	db.query = m.query
	if !known {
		for id, start := range topic.Starts {
			db.insert(topic, int32(id), start)
		}
	}
	db.last++
	var owner checkpoint.Owner
	binary.BigEndian.PutUint64(owner[8:], db.last)
	out := make([]checkpoint.Checkpoint, 0, len(ours))
	for _, p := range ours {
		if _, found := db.checkpoints[p]; !found {
			db.insert(topic, p.ID, topic.Firsts[p.ID])
		}
		c := db.checkpoints[p]
		c.Epoch++
		c.Owner = owner
		db.checkpoints[p] = c
		out = append(out, c)
	}
	if fault == LostAfter {
		return nil, classed(checkpoint.ErrRetry, "the reply to the claim's COMMIT was lost", ours)
	}
	for _, p := range ours {
		m.held[p] = true
	}
	return out, nil
}

func (db *database) insert(topic batch.Topic, id int32, at int64) {
	p := checkpoint.Partition{Topic: topic.Name, ID: id}
	db.checkpoints[p] = checkpoint.Checkpoint{
		Range:       checkpoint.Range{Partition: p, First: at, Next: at},
		TopicID:     topic.ID,
		LeaderEpoch: -1,
	}
}

// Commit implements batch.Sink. A task batch that breaks the engine's promises is an error without a class.
func (m *Memory) Commit(ctx context.Context, b *batch.TaskBatch[Delta]) error {
	if err := CheckTaskBatch(b); err != nil {
		return err
	}
	db := m.db
	db.mu.Lock()
	defer db.mu.Unlock()
	ours := partitionsOf(b.Advances)
	fault := db.next(Op{Kind: Commit, Partitions: ours, Batch: b.ID})
	switch fault {
	case Retry:
		return classed(checkpoint.ErrRetry, "deadlock", ours)
	case TooLarge:
		return classed(checkpoint.ErrTooLarge, "the transaction is too large", ours)
	case Block:
		return classed(checkpoint.ErrBlocked, "no such table", ours)
	case Fence:
		db.steal(ours)
	}
	if ctx.Err() != nil {
		return classed(checkpoint.ErrRetry, ctx.Err().Error(), ours)
	}
	if db.waits(ours) {
		return classed(checkpoint.ErrRetry, "lock wait timeout", ours)
	}
	if err := db.fence(m.query, b.Advances); err != nil {
		return err
	}
	if err := db.rejections(b); err != nil {
		return err
	}
	switch fault {
	case LostBefore:
		return classed(checkpoint.ErrUnknown, "the connection was lost before COMMIT arrived", ours)
	case HeldThenCommitted, HeldThenRolledBack:
		db.open = append(db.open, &transaction{batch: clone(b), applied: fault == HeldThenCommitted})
		return classed(checkpoint.ErrUnknown, "no reply to COMMIT", ours)
	}
	db.apply(b)
	if fault == LostAfter {
		return classed(checkpoint.ErrUnknown, "the reply to COMMIT was lost", ours)
	}
	return nil
}

// Resolve implements batch.Sink.
func (m *Memory) Resolve(ctx context.Context, id checkpoint.BatchID, advances []batch.Advance) (batch.Outcome, error) {
	db := m.db
	db.mu.Lock()
	defer db.mu.Unlock()
	ours := partitionsOf(advances)
	if fault := db.next(Op{Kind: Resolve, Partitions: ours, Batch: id}); fault != None || ctx.Err() != nil {
		return batch.Superseded, classed(checkpoint.ErrRetry, "no reply", ours)
	}
	if db.waits(ours) {
		return batch.Superseded, classed(checkpoint.ErrRetry, "lock wait timeout", ours)
	}
	committed, not := 0, 0
	for _, a := range advances {
		c := db.checkpoints[a.Partition]
		switch {
		case c.Epoch != a.Epoch || c.Owner != a.Owner:
		case a.First == a.Next && c.Next == a.Next:
			committed++
			not++
		case c.Batch == id && c.Next == a.Next:
			committed++
		case c.Next == a.First:
			not++
		}
	}
	switch len(advances) {
	case committed:
		return batch.Committed, nil
	case not:
		return batch.NotCommitted, nil
	}
	return batch.Superseded, nil
}

// fence checks the fence and the closing condition (P9, P11) at once, because nothing can happen between them here.
func (db *database) fence(query string, advances []batch.Advance) error {
	var lost []checkpoint.Partition
	for _, a := range advances {
		c, found := db.checkpoints[a.Partition]
		if !found {
			return classed(checkpoint.ErrCheckpointLost, "the checkpoint is lost", []checkpoint.Partition{a.Partition})
		}
		if c.Epoch != a.Epoch || c.Owner != a.Owner || c.Next != a.First || db.query != query {
			lost = append(lost, a.Partition)
		}
	}
	if lost != nil {
		return classed(checkpoint.ErrFenced, fmt.Sprintf("%d of %d partitions match", len(advances)-len(lost), len(advances)), lost)
	}
	return nil
}

func (db *database) rejections(b *batch.TaskBatch[Delta]) error {
	if db.reject == nil {
		return nil
	}
	until := map[checkpoint.Partition]int64{}
	for _, a := range b.Advances {
		until[a.Partition] = a.Next
	}
	var rows []batch.RejectedRow
	for _, key := range slices.Sorted(maps.Keys(b.Delta)) {
		if reason := db.reject(key); reason != "" {
			rows = append(rows, batch.RejectedRow{Table: TableName, Key: []byte(key), Reason: reason, Until: until})
		}
	}
	if rows != nil {
		return &batch.RejectedRows{Rows: rows}
	}
	return nil
}

func (db *database) apply(b *batch.TaskBatch[Delta]) {
	for _, a := range b.Advances {
		c := db.checkpoints[a.Partition]
		c.Next, c.LeaderEpoch, c.Batch, c.Audit = a.Next, a.LeaderEpoch, b.ID, c.Audit.Plus(a.Audit)
		db.checkpoints[a.Partition] = c
	}
	for key, n := range b.Delta {
		db.rows[key] += n
	}
	for _, d := range b.Dead {
		db.dead[deadKey{d.Partition, d.Offset, b.ID, d.Statement}] = d
	}
	db.commits++
}

// steal claims the partitions as another process would.
func (db *database) steal(partitions []checkpoint.Partition) {
	db.last++
	for _, p := range partitions {
		if c, found := db.checkpoints[p]; found {
			c.Epoch++
			binary.BigEndian.PutUint64(c.Owner[8:], db.last)
			db.checkpoints[p] = c
		}
	}
}

// waits reports whether a transaction that is kept open locks one of the partitions. The third call that waits for it
// finds that the server has ended it.
func (db *database) waits(partitions []checkpoint.Partition) bool {
	for i, t := range db.open {
		if !slices.ContainsFunc(t.batch.Advances, func(a batch.Advance) bool { return slices.Contains(partitions, a.Partition) }) {
			continue
		}
		if t.waits++; t.waits < 3 {
			return true
		}
		db.settle(i)
		return db.waits(partitions)
	}
	return false
}

func (db *database) settle(i int) {
	t := db.open[i]
	db.open = slices.Delete(db.open, i, i+1)
	if t.applied {
		db.apply(t.batch)
	}
}

func (db *database) next(op Op) Fault {
	db.calls[op.Kind]++
	if db.fault == nil {
		return None
	}
	return db.fault(op)
}

func clone(b *batch.TaskBatch[Delta]) *batch.TaskBatch[Delta] {
	return &batch.TaskBatch[Delta]{
		ID: b.ID, Advances: slices.Clone(b.Advances), Delta: maps.Clone(b.Delta), Dead: slices.Clone(b.Dead),
	}
}

func partitionsOf(advances []batch.Advance) []checkpoint.Partition {
	var out []checkpoint.Partition
	for _, a := range advances {
		out = append(out, a.Partition)
	}
	return out
}

func classed(class error, text string, partitions []checkpoint.Partition) error {
	return &checkpoint.Error{Class: class, Err: errors.New(text), Partitions: partitions}
}

// CheckTaskBatch returns an error if a task batch breaks the promises of batch.TaskBatch: advances in ascending order
// of partition, none empty, every audit accounting for its range, dead letters of records within a range.
func CheckTaskBatch[D any](b *batch.TaskBatch[D]) error {
	if len(b.Advances) == 0 {
		return errors.New("BUG: a task batch without advances")
	}
	ranges := map[checkpoint.Partition]checkpoint.Range{}
	dead := map[checkpoint.Partition]int64{}
	for i, a := range b.Advances {
		switch {
		case i > 0 && !b.Advances[i-1].Partition.Less(a.Partition):
			return fmt.Errorf("BUG: advance %v after %v", a.Range, b.Advances[i-1].Range)
		case a.First < 0 || a.Next <= a.First:
			return fmt.Errorf("BUG: advance %v is empty", a.Range)
		case a.Audit.Total() != a.Len():
			return fmt.Errorf("BUG: advance %v has an audit of %d: %+v", a.Range, a.Audit.Total(), a.Audit)
		case a.Epoch == 0 || a.Owner == (checkpoint.Owner{}):
			return fmt.Errorf("BUG: advance %v has no owner", a.Range)
		}
		ranges[a.Partition] = a.Range
		dead[a.Partition] = a.Audit.Dead
	}
	offsets := map[checkpoint.Partition]map[int64]bool{}
	for _, d := range b.Dead {
		r, found := ranges[d.Partition]
		if !found || d.Offset < r.First || d.Offset >= r.Next {
			return fmt.Errorf("BUG: dead letter of %v offset %d in a task batch with %v", d.Partition, d.Offset, r)
		}
		if offsets[d.Partition] == nil {
			offsets[d.Partition] = map[int64]bool{}
		}
		offsets[d.Partition][d.Offset] = true
	}
	for p, n := range dead {
		if int64(len(offsets[p])) > n {
			return fmt.Errorf("BUG: %v has dead letters of %d records, its audit says %d", p, len(offsets[p]), n)
		}
	}
	return nil
}
