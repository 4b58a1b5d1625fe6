package filewatch

import (
	"sync"
	"time"
)

// Status is how it stands with one folder. Names in JSON are only ever added.
type Status struct {
	Dir         string `json:"dir"`
	Files       int    `json:"files"`   // known, those read to their end too
	Waiting     int    `json:"waiting"` // to be read, or being read
	File        string `json:"file"`    // being read; empty where none is
	Offset      int64  `json:"offset"`  // in that file: up to here Kafka has it
	Size        int64  `json:"size"`    // of that file: up to here it is read
	Events      int64  `json:"events"`  // acknowledged by Kafka, since the start
	LastError   string `json:"last_error"`
	LastErrorAt string `json:"last_error_at"`
}

// standing is one folder's status. It is safe for concurrent use.
type standing struct {
	mu sync.Mutex // guards s
	s  Status
}

func (t *standing) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s
}

func (t *standing) change(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *standing) failed(err error) {
	t.change(func(s *Status) { s.LastError, s.LastErrorAt = err.Error(), time.Now().UTC().Format(time.RFC3339) })
}
