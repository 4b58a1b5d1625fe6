package status

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed page.html
var page []byte

// Times of the HTTP server: a request is a few bytes, an answer a few hundred kilobytes of metrics.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	stopTimeout  = 2 * time.Second
)

// Parts is what the server shows.
type Parts struct {
	Metrics    prometheus.Gatherer
	Sections   []Section
	Conditions []Condition
}

// Server is the admin listener.
type Server struct {
	cfg      Config
	parts    Parts
	log      *slog.Logger
	listener net.Listener
}

// New makes a server; nil log means discard.
func New(cfg Config, parts Parts, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, parts: parts, log: log.With("component", "status")}
}

// Listen takes the address, so that one that is taken is known before anything else begins. It does nothing where the
// listener is turned off.
func (s *Server) Listen(ctx context.Context) error {
	if s.cfg.Listen == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	s.listener = l
	return err
}

// Addr is the address taken by Listen, nil before it and where the listener is turned off.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close gives up an address that Listen took, where Run was never called.
func (s *Server) Close() {
	if s.listener != nil {
		_ = s.listener.Close() // closed already where Run has ended
	}
}

// Run serves until ctx ends. Listen goes before it.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		<-ctx.Done()
		return nil
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		s.log.Warn("Admin listener closed with requests open", "err", err)
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler answers the requests of the admin listener.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/status", s.status)
	if s.parts.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.parts.Metrics, promhttp.HandlerOpts{
			ErrorLog:      slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
			ErrorHandling: promhttp.ContinueOnError,
		}))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:")
	_, _ = w.Write(page)
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	r := readiness(s.parts.Conditions)
	code := http.StatusOK
	if r.State == Down {
		code = http.StatusServiceUnavailable
	}
	s.json(w, code, r)
}

// view is the answer of /api/v1/status. Names are only ever added.
type view struct {
	Time      time.Time     `json:"time"`
	Readiness Readiness     `json:"readiness"`
	Sections  []sectionView `json:"sections"`
}

type sectionView struct {
	Name string `json:"name"`
	Data any    `json:"data"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	v := view{Time: time.Now().UTC(), Readiness: readiness(s.parts.Conditions)}
	v.Sections = make([]sectionView, 0, len(s.parts.Sections))
	for _, sec := range s.parts.Sections {
		v.Sections = append(v.Sections, sectionView{Name: sec.Name, Data: sec.Func()})
	}
	s.json(w, http.StatusOK, v)
}

// json encodes before it writes, so that what cannot be encoded is an error and not half an answer.
func (s *Server) json(w http.ResponseWriter, code int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		s.log.Error("Status cannot be written as JSON", "err", err)
		http.Error(w, "status cannot be written as JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}
