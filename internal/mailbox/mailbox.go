// Package mailbox has a queue whose Put never blocks.
package mailbox

import "sync"

// Mailbox is a queue for one consumer, which waits for Ready and then takes all items. Put never blocks, so goroutines
// can post to each other without a deadlock; hence the number of items must be bounded by other means. It is safe for
// concurrent use.
type Mailbox[T any] struct {
	mu    sync.Mutex // guards items
	items []T
	ready chan struct{} // holds a token if there may be items
}

// New returns an empty mailbox.
func New[T any]() *Mailbox[T] { return &Mailbox[T]{ready: make(chan struct{}, 1)} }

// Put adds an item.
func (m *Mailbox[T]) Put(item T) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// Ready returns a channel from which a value can be received when there may be items. The consumer then calls Take.
func (m *Mailbox[T]) Ready() <-chan struct{} { return m.ready }

// Take removes all items, in the order in which they were put. There may be none.
func (m *Mailbox[T]) Take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
