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

// TableName is the one table of a Memory, as it stands in batch.RejectedRow.
const TableName = "counts"

// Memory is a batch.Sink on a database that is a few maps. Several Memories made by [Memory.Peer] are several
// processes on one database. It never blocks: what would wait for a lock is answered with ErrRetry. It is safe for
// concurrent use.
type Memory struct {
	db    *database
	query string
	held  map[checkpoint.Partition]bool // by this process; guarded by db.mu
}

type database struct {
	mu     sync.Mutex
	fault  func(Op) Fault
	reject func(key string) string
	last   uint64 // the last owner made
	calls  map[OpKind]int
	states
}

// states is what a copy of the database holds.
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

// transaction is one whose COMMIT was lost and that the server still holds open.
type transaction struct {
	part    *batch.TaskBatch[Delta]
	asked   int  // how often somebody waited for it in vain
	applied bool // how it ends
}

// NewMemory makes an empty database and a process on it.
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

// Peer is another process of the same job on the same database.
func (m *Memory) Peer() *Memory { return m.PeerWithQuery(m.query) }

// PeerWithQuery is another process of the same job, but with another query (P2).
func (m *Memory) PeerWithQuery(query string) *Memory {
	return &Memory{db: m.db, query: query, held: map[checkpoint.Partition]bool{}}
}

// Claim is batch.Sink's.
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
		return nil, classed(checkpoint.ErrRetry, "lock wait time-out", ours)
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
			return nil, classed(checkpoint.ErrCheckpointLost, "the checkpoint that this process held is gone", []checkpoint.Partition{p})
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
		return nil, classed(checkpoint.ErrRetry, "the answer to the claim's COMMIT was lost", ours)
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

// Commit is batch.Sink's. A part that the engine should never have made is an error without a class.
func (m *Memory) Commit(ctx context.Context, part *batch.TaskBatch[Delta]) error {
	if err := CheckTaskBatch(part); err != nil {
		return err
	}
	db := m.db
	db.mu.Lock()
	defer db.mu.Unlock()
	ours := partitionsOf(part.Advances)
	fault := db.next(Op{Kind: Commit, Partitions: ours, Batch: part.ID})
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
		return classed(checkpoint.ErrRetry, "lock wait time-out", ours)
	}
	if err := db.fence(m.query, part.Advances); err != nil {
		return err
	}
	if err := db.refusals(part); err != nil {
		return err
	}
	switch fault {
	case LostBefore:
		return classed(checkpoint.ErrUnknown, "the connection was lost before COMMIT arrived", ours)
	case HeldThenCommitted, HeldThenRolledBack:
		db.open = append(db.open, &transaction{part: clone(part), applied: fault == HeldThenCommitted})
		return classed(checkpoint.ErrUnknown, "no answer to COMMIT", ours)
	}
	db.apply(part)
	if fault == LostAfter {
		return classed(checkpoint.ErrUnknown, "the answer to COMMIT was lost", ours)
	}
	return nil
}

// Resolve is batch.Sink's.
func (m *Memory) Resolve(ctx context.Context, id checkpoint.BatchID, moves []batch.Advance) (batch.Outcome, error) {
	db := m.db
	db.mu.Lock()
	defer db.mu.Unlock()
	ours := partitionsOf(moves)
	if fault := db.next(Op{Kind: Resolve, Partitions: ours, Batch: id}); fault != None || ctx.Err() != nil {
		return batch.Superseded, classed(checkpoint.ErrRetry, "no answer", ours)
	}
	if db.waits(ours) {
		return batch.Superseded, classed(checkpoint.ErrRetry, "lock wait time-out", ours)
	}
	committed, not := 0, 0
	for _, mv := range moves {
		c := db.checkpoints[mv.Partition]
		switch {
		case c.Epoch != mv.Epoch || c.Owner != mv.Owner:
		case mv.First == mv.Next && c.Next == mv.Next:
			committed++
			not++
		case c.Batch == id && c.Next == mv.Next:
			committed++
		case c.Next == mv.First:
			not++
		}
	}
	switch len(moves) {
	case committed:
		return batch.Committed, nil
	case not:
		return batch.NotCommitted, nil
	}
	return batch.Superseded, nil
}

// fence is P9 and P11 in one: nothing can come between them here.
func (db *database) fence(query string, moves []batch.Advance) error {
	var lost []checkpoint.Partition
	for _, mv := range moves {
		c, found := db.checkpoints[mv.Partition]
		if !found {
			return classed(checkpoint.ErrCheckpointLost, "the checkpoint is gone", []checkpoint.Partition{mv.Partition})
		}
		if c.Epoch != mv.Epoch || c.Owner != mv.Owner || c.Next != mv.First || db.query != query {
			lost = append(lost, mv.Partition)
		}
	}
	if lost != nil {
		return classed(checkpoint.ErrFenced, fmt.Sprintf("%d of %d partitions match", len(moves)-len(lost), len(moves)), lost)
	}
	return nil
}

func (db *database) refusals(part *batch.TaskBatch[Delta]) error {
	if db.reject == nil {
		return nil
	}
	until := map[checkpoint.Partition]int64{}
	for _, mv := range part.Advances {
		until[mv.Partition] = mv.Next
	}
	var rows []batch.RejectedRow
	for _, key := range slices.Sorted(maps.Keys(part.Delta)) {
		if reason := db.reject(key); reason != "" {
			rows = append(rows, batch.RejectedRow{Table: TableName, Key: []byte(key), Reason: reason, Until: until})
		}
	}
	if rows != nil {
		return &batch.RejectedRows{Rows: rows}
	}
	return nil
}

func (db *database) apply(part *batch.TaskBatch[Delta]) {
	for _, mv := range part.Advances {
		c := db.checkpoints[mv.Partition]
		c.Next, c.LeaderEpoch, c.Batch, c.Audit = mv.Next, mv.LeaderEpoch, part.ID, c.Audit.Plus(mv.Audit)
		db.checkpoints[mv.Partition] = c
	}
	for key, n := range part.Delta {
		db.rows[key] += n
	}
	for _, d := range part.Dead {
		db.dead[deadKey{d.Partition, d.Offset, part.ID, d.Statement}] = d
	}
	db.commits++
}

// steal claims the partitions as a stranger would.
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

// waits reports whether a transaction that is held open locks one of the partitions. Who asks for the third time finds
// that the server has ended it.
func (db *database) waits(partitions []checkpoint.Partition) bool {
	for i, t := range db.open {
		if !slices.ContainsFunc(t.part.Advances, func(mv batch.Advance) bool { return slices.Contains(partitions, mv.Partition) }) {
			continue
		}
		if t.asked++; t.asked < 3 {
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
		db.apply(t.part)
	}
}

func (db *database) next(op Op) Fault {
	db.calls[op.Kind]++
	if db.fault == nil {
		return None
	}
	return db.fault(op)
}

func clone(part *batch.TaskBatch[Delta]) *batch.TaskBatch[Delta] {
	return &batch.TaskBatch[Delta]{
		ID: part.ID, Advances: slices.Clone(part.Advances), Delta: maps.Clone(part.Delta), Dead: slices.Clone(part.Dead),
	}
}

func partitionsOf(moves []batch.Advance) []checkpoint.Partition {
	var out []checkpoint.Partition
	for _, mv := range moves {
		out = append(out, mv.Partition)
	}
	return out
}

func classed(class error, text string, partitions []checkpoint.Partition) error {
	return &checkpoint.Error{Class: class, Err: errors.New(text), Partitions: partitions}
}

// CheckTaskBatch returns an error where a part breaks what batch.TaskBatch promises: moves in ascending order of partition, each
// a step forward, every audit accounting for its range, dead letters of records within a range.
func CheckTaskBatch[D any](part *batch.TaskBatch[D]) error {
	if len(part.Advances) == 0 {
		return errors.New("BUG: a part without moves")
	}
	ranges := map[checkpoint.Partition]checkpoint.Range{}
	dead := map[checkpoint.Partition]int64{}
	for i, mv := range part.Advances {
		switch {
		case i > 0 && !part.Advances[i-1].Partition.Less(mv.Partition):
			return fmt.Errorf("BUG: move %v after %v", mv.Range, part.Advances[i-1].Range)
		case mv.First < 0 || mv.Next <= mv.First:
			return fmt.Errorf("BUG: move %v goes nowhere", mv.Range)
		case mv.Audit.Total() != mv.Len():
			return fmt.Errorf("BUG: move %v has an audit of %d: %+v", mv.Range, mv.Audit.Total(), mv.Audit)
		case mv.Epoch == 0 || mv.Owner == (checkpoint.Owner{}):
			return fmt.Errorf("BUG: move %v has no owner", mv.Range)
		}
		ranges[mv.Partition] = mv.Range
		dead[mv.Partition] = mv.Audit.Dead
	}
	offsets := map[checkpoint.Partition]map[int64]bool{}
	for _, d := range part.Dead {
		r, found := ranges[d.Partition]
		if !found || d.Offset < r.First || d.Offset >= r.Next {
			return fmt.Errorf("BUG: dead letter of %v offset %d in a part with %v", d.Partition, d.Offset, r)
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
