package socket

import (
	"sync"
	"time"
)

// Status is the status of one server. Names in JSON are never removed or changed.
type Status struct {
	Server      string `json:"server"`
	Connected   bool   `json:"connected"`
	Events      int64  `json:"events"` // acknowledged by Kafka
	Lost        int64  `json:"lost"`   // lines counted as lost
	Held        int    `json:"held"`   // lines read and not acknowledged yet
	LastEvents  string `json:"last_events"`
	LastError   string `json:"last_error"`
	LastErrorAt string `json:"last_error_at"`
}

// server holds one server's status. It is safe for concurrent use.
type server struct {
	address string

	mu sync.Mutex // guards s
	s  Status
}

func newServer(address string) *server {
	return &server{address: address, s: Status{Server: address}}
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s
}

func (s *server) change(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.s)
}

func (s *server) failed(err error) {
	s.change(func(st *Status) { st.LastError, st.LastErrorAt = err.Error(), stamp() })
}

func stamp() string { return time.Now().UTC().Format(time.RFC3339) }
