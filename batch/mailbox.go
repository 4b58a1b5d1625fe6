package batch

import "sync"

// mailbox is a queue whose put never blocks, so that the engine's loop and its workers can post to each other without a
// deadlock. Its length is bounded because the planner allows one operation and one fold for each task, besides what was
// fetched before a pause took effect. It is safe for concurrent use.
type mailbox[T any] struct {
	mu    sync.Mutex // guards items
	items []T
	ready chan struct{} // holds a token if there may be items
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

// put adds an item.
func (m *mailbox[T]) put(item T) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take removes all items, in the order in which they were put.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
