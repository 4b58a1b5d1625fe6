package spark

import (
	"sync"
	"time"
)

// Status is the status of one sink. Names in JSON are never removed or changed.
type Status struct {
	Sink        string `json:"sink"`
	Connections int    `json:"connections"` // open now
	Batch       int    `json:"batch"`       // how many events are requested
	Events      int64  `json:"events"`      // acked
	LastBatch   string `json:"last_batch"`  // when one was acked, RFC 3339; empty before the first
	LastEvents  int    `json:"last_batch_events"`
	LastError   string `json:"last_error"`
	LastErrorAt string `json:"last_error_at"`
}

// sink holds one sink's status. It is safe for concurrent use.
type sink struct {
	address string

	mu sync.Mutex // guards s
	s  Status
}

func newSink(address string, batch int) *sink {
	return &sink{address: address, s: Status{Sink: address, Batch: batch}}
}

func (s *sink) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s
}

func (s *sink) connected(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Connections += n
}

func (s *sink) acked(events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Events += int64(events)
	s.s.LastBatch, s.s.LastEvents = stamp(), events
}

func (s *sink) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.LastError, s.s.LastErrorAt = err.Error(), stamp()
}

func (s *sink) batch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s.Batch
}

// requestFewer sets the number of requested events to capacity, or to half of asked if capacity is 0 or not less than
// asked. It returns the new number. Several connections that failed with the same number lower it once.
func (s *sink) requestFewer(asked, capacity int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.Batch == asked {
		s.s.Batch = max(asked/2, 1)
		if capacity > 0 && capacity < asked {
			s.s.Batch = capacity
		}
	}
	return s.s.Batch
}

func stamp() string { return time.Now().UTC().Format(time.RFC3339) }
