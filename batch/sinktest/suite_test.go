package sinktest

import (
	"maps"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Harness[Delta] {
		m := NewMemory()
		m.Reject(func(key string) string {
			if key == "bad" {
				return "too bad"
			}
			return ""
		})
		return Harness[Delta]{
			Open:        func() batch.Sink[Delta] { return m.Peer() },
			OpenQuery:   func() batch.Sink[Delta] { return m.PeerWithQuery("other") },
			Delta:       func(counts map[string]int64) Delta { return maps.Clone(Delta(counts)) },
			Rows:        func() map[string]int64 { return m.Rows() },
			Checkpoints: func(string) []checkpoint.Checkpoint { return m.Checkpoints() },
			DeadLetters: func() int { return len(m.Dead()) },
			Delete:      m.Delete,
			Lose: func(applied bool) {
				fault := HeldThenRolledBack
				if applied {
					fault = HeldThenCommitted
				}
				m.Faults(func(op Op) Fault {
					if op.Kind != Commit {
						return None
					}
					f := fault
					fault = None
					return f
				})
			},
			Copy: func() func() {
				s := m.Copy()
				return func() { m.Restore(s) }
			},
			Rejected: "bad",
		}
	})
}
