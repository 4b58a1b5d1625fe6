package sinktest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// OpKind is which method of a sink was called.
type OpKind uint8

// The methods.
const (
	Claim OpKind = iota
	Commit
	Resolve
)

// Op is a call of a Memory, for which a test chooses a fault.
type Op struct {
	Kind       OpKind
	Partitions []checkpoint.Partition
	Batch      checkpoint.BatchID // of Commit and Resolve
}

// Fault is what happens to a call.
type Fault uint8

// The faults. A Claim has None, Retry, LostBefore and LostAfter; for a Resolve any fault means "no outcome yet".
const (
	None               Fault = iota
	Retry                    // ErrRetry; nothing is applied
	LostBefore               // ErrUnknown; COMMIT never arrived
	LostAfter                // ErrUnknown; COMMIT was applied
	HeldThenCommitted        // ErrUnknown; the server keeps the transaction open for two more calls, then applies it
	HeldThenRolledBack       // ErrUnknown; the server keeps the transaction open for two more calls, then rolls it back
	Fence                    // another process claims the partitions first, so ErrFenced
	TooLarge                 // ErrTooLarge
	Block                    // ErrBlocked
)

// Faults has choose decide what happens to every call from now on, of all peers. It is called with the database locked,
// so it must not call back. Nil means no faults.
func (m *Memory) Faults(choose func(Op) Fault) {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	m.db.fault = choose
}

// Reject has the database reject rows: reason returns an empty string for a key that it accepts.
func (m *Memory) Reject(reason func(key string) string) {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	m.db.reject = reason
}

// Steal claims partitions as another process would: what their owner commits next is fenced.
func (m *Memory) Steal(partitions ...checkpoint.Partition) {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	m.db.steal(partitions)
}

// Delete removes a partition's checkpoint.
func (m *Memory) Delete(p checkpoint.Partition) {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	delete(m.db.checkpoints, p)
}

// State is a copy of the whole database.
type State struct{ states }

// Copy copies the state of the database.
func (m *Memory) Copy() State {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	s := m.db.states
	s.checkpoints, s.rows, s.dead, s.open = maps.Clone(s.checkpoints), maps.Clone(s.rows), maps.Clone(s.dead), nil
	return State{s}
}

// Restore restores the database to an older state. Transactions that were open are rolled back.
func (m *Memory) Restore(s State) {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	s.checkpoints, s.rows, s.dead = maps.Clone(s.checkpoints), maps.Clone(s.rows), maps.Clone(s.dead)
	m.db.states = s.states
}

// Settle ends every transaction that the server keeps open, as it was going to end.
func (m *Memory) Settle() {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	for len(m.db.open) > 0 {
		m.db.settle(0)
	}
}

// Rows returns a copy of the rows.
func (m *Memory) Rows() Delta {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	return maps.Clone(m.db.rows)
}

// Dead returns the dead letters, sorted by partition and offset.
func (m *Memory) Dead() []batch.DeadLetter {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.db.dead), func(a, b batch.DeadLetter) int {
		switch {
		case a.Partition.Less(b.Partition) || a.Partition == b.Partition && a.Offset < b.Offset:
			return -1
		case a.Partition == b.Partition && a.Offset == b.Offset:
			return a.Statement - b.Statement
		}
		return 1
	})
}

// Checkpoints returns all checkpoints, sorted by partition.
func (m *Memory) Checkpoints() []checkpoint.Checkpoint {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.db.checkpoints), func(a, b checkpoint.Checkpoint) int {
		if a.Partition.Less(b.Partition) {
			return -1
		}
		return 1
	})
}

// Commits returns how many task batches were applied in the present history of the database.
func (m *Memory) Commits() int {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	return m.db.commits
}

// Calls returns how often a method was called, by all peers.
func (m *Memory) Calls(kind OpKind) int {
	m.db.mu.Lock()
	defer m.db.mu.Unlock()
	return m.db.calls[kind]
}

// Check returns an error if an audit does not balance.
func (m *Memory) Check() error {
	for _, c := range m.Checkpoints() {
		if !c.Balances() {
			return fmt.Errorf("%v has an audit of %d: %+v", c.Range, c.Audit.Total(), c.Audit)
		}
	}
	return nil
}
