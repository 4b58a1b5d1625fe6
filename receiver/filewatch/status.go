package filewatch

import (
	"sync"
	"time"
)

// Status is the status of one directory. Names in JSON are never removed or changed.
type Status struct {
	Dir         string `json:"dir"`
	Files       int    `json:"files"`   // known files, including those read to their end
	Waiting     int    `json:"waiting"` // files to be read or being read
	File        string `json:"file"`    // being read; empty if none is
	Offset      int64  `json:"offset"`  // in that file: Kafka has it up to here
	Size        int64  `json:"size"`    // of that file: it is read up to here
	Events      int64  `json:"events"`  // acknowledged by Kafka, since the start
	LastError   string `json:"last_error"`
	LastErrorAt string `json:"last_error_at"`
}

// dirStatus holds one directory's status. It is safe for concurrent use.
type dirStatus struct {
	mu sync.Mutex // guards s
	s  Status
}

func (t *dirStatus) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s
}

func (t *dirStatus) change(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

func (t *dirStatus) failed(err error) {
	t.change(func(s *Status) { s.LastError, s.LastErrorAt = err.Error(), time.Now().UTC().Format(time.RFC3339) })
}
