package status

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed page.html
var page []byte

// Timeouts of the HTTP server. A request is a few bytes, a response a few hundred kilobytes of metrics.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	stopTimeout  = 2 * time.Second
)

// Sources are the contents that the server shows.
type Sources struct {
	Metrics    prometheus.Gatherer
	Sections   []Section
	Conditions []Condition
}

// Server is the admin listener.
type Server struct {
	cfg      Config
	sources  Sources
	log      *slog.Logger
	listener net.Listener
}

// New returns a server; a nil log discards.
func New(cfg Config, sources Sources, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, sources: sources, log: log.With("component", "status")}
}

// Listen binds the address, so that an address in use is reported before anything else starts. It does nothing if the
// listener is disabled.
func (s *Server) Listen(ctx context.Context) error {
	if s.cfg.Listen == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	s.listener = l
	return err
}

// Addr returns the address bound by Listen, nil before Listen and if the listener is disabled.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close releases the address bound by Listen, for the case that Run is never called. Closing twice is harmless.
func (s *Server) Close() {
	if s.listener != nil {
		_ = s.listener.Close() // already closed if Run has returned
	}
}

// Run serves until ctx ends. Listen must be called before.
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
		s.log.Warn("Admin listener closed with open requests", "err", err)
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler returns the handler of all requests of the admin listener.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/status", s.status)
	if s.sources.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.sources.Metrics, promhttp.HandlerOpts{
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
	r := readiness(s.sources.Conditions)
	code := http.StatusOK
	if r.State == Down {
		code = http.StatusServiceUnavailable
	}
	s.json(w, code, r)
}

// view is the response of /api/v1/status. Fields are only ever added.
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
	v := view{Time: time.Now().UTC(), Readiness: readiness(s.sources.Conditions)}
	v.Sections = make([]sectionView, 0, len(s.sources.Sections))
	for _, sec := range s.sources.Sections {
		v.Sections = append(v.Sections, sectionView{Name: sec.Name, Data: sec.Func()})
	}
	s.json(w, http.StatusOK, v)
}

// json encodes before it writes, so that an encoding error is reported instead of half a response.
func (s *Server) json(w http.ResponseWriter, code int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		s.log.Error("Encoding status failed", "err", err)
		http.Error(w, "encoding status failed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	text := b.String()
	if s.cfg.Render != nil {
		text = s.cfg.Render(text)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}
