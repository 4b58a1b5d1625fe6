// Package registrytest is a schema registry in memory, with the part of the API that reads schemas.
package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Schema is a schema of the registry, as its API returns it.
type Schema struct {
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType,omitempty"` // empty is AVRO
	References []Reference `json:"references,omitempty"`
}

// Reference is a schema that another one refers to.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Server is a registry. Its methods may be called concurrently.
type Server struct {
	*httptest.Server

	mu       sync.Mutex
	byID     map[int]Schema
	subjects map[string]Schema // by subject and version
	broken   int               // the status of every response, if not 0
	requests []string
	auth     string // of the last request
}

// Start starts a registry without schemas, which ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{byID: map[int]Schema{}, subjects: map[string]Schema{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /schemas/ids/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, func() (Schema, bool) {
			var id int
			_, _ = fmt.Sscan(r.PathValue("id"), &id) // 0 is no schema
			found, ok := s.byID[id]
			return found, ok
		})
	})
	mux.HandleFunc("GET /subjects/{subject}/versions/{version}", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, func() (Schema, bool) {
			found, ok := s.subjects[r.PathValue("subject")+"/"+r.PathValue("version")]
			return found, ok
		})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, find func() (Schema, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, _ := r.BasicAuth()
	s.requests, s.auth = append(s.requests, r.URL.Path), user+":"+password
	if s.broken != 0 {
		http.Error(w, "the registry is broken", s.broken)
		return
	}
	found, ok := find()
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	var body any = found
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		body = map[string]any{"error_code": 40403, "message": "Schema not found"}
	}
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

// Set registers a schema.
func (s *Server) Set(id int, schema Schema) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = schema
}

// SetVersion registers a schema as a version of a subject.
func (s *Server) SetVersion(subject string, version int, schema Schema) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subjects[fmt.Sprint(subject, "/", version)] = schema
}

// Break makes every response have a status; 0 ends that.
func (s *Server) Break(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = status
}

// Requests returns the paths of the requests so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Auth returns user:password of the last request.
func (s *Server) Auth() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auth
}
