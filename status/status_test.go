package status

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, h http.Handler, method, path string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w.Code, w.Body.String(), w.Header()
}

func condition(name string, state State, reason string) Condition {
	return Condition{Name: name, Func: func() (State, string) { return state, reason }}
}

func TestReadyz(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name       string
		conditions []Condition
		code       int
		state      State
	}{
		{"nothing to wait for", nil, 200, OK},
		{"all well", []Condition{condition("a", OK, ""), condition("b", OK, "")}, 200, OK},
		{"degraded is ready", []Condition{condition("a", Degraded, "mysql is away"), condition("b", OK, "")}, 200, Degraded},
		{"down wins", []Condition{condition("a", Down, "x"), condition("b", Degraded, "y")}, 503, Down},
		{"down wins when last", []Condition{condition("a", Degraded, "y"), condition("b", Down, "x")}, 503, Down},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := New(Config{}, Sources{Conditions: c.conditions}, nil).Handler()
			code, body, _ := get(t, h, "GET", "/readyz")
			var r Readiness
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatal(err)
			}
			if code != c.code || r.State != c.state || len(r.Conditions) != len(c.conditions) {
				t.Errorf("got %d %s, expected %d %s", code, body, c.code, c.state)
			}
			// Liveness does not follow readiness: an orchestrator must not restart a process for another's fault.
			if code, body, _ := get(t, h, "GET", "/healthz"); code != 200 || body != "ok\n" {
				t.Errorf("healthz: got %d %q; expected 200 and %q", code, body, "ok\n")
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	type task struct {
		Task int   `json:"task"`
		Lag  int64 `json:"lag"`
	}
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "etl_test_total", Help: "A test."})
	reg.MustRegister(c)
	c.Add(3)
	h := New(Config{}, Sources{
		Metrics:    reg,
		Sections:   []Section{{"tasks", func() any { return []task{{1, 20}} }}, {"none", func() any { return nil }}},
		Conditions: []Condition{condition("group", OK, "")},
	}, nil).Handler()

	code, body, header := get(t, h, "GET", "/api/v1/status")
	var got struct {
		Time     string
		Sections []struct {
			Name string
			Data any
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
		t.Fatalf("%d %s: %v; expected 200 and no error", code, body, err)
	}
	want := []any{map[string]any{"task": 1.0, "lag": 20.0}}
	if diff := cmp.Diff(want, got.Sections[0].Data); diff != "" {
		t.Errorf("tasks (-expected +got):\n%s", diff)
	}
	if got.Sections[1].Data != nil || header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s with %v; expected no data in section 1, and header Cache-Control %q", body, header, "no-store")
	}
	if _, body, _ := get(t, h, "GET", "/metrics"); !strings.Contains(body, "etl_test_total 3\n") {
		t.Errorf("metrics: got %q, expected it to contain %q", body, "etl_test_total 3\n")
	}
	if code, body, header := get(t, h, "GET", "/"); code != 200 || !strings.Contains(body, "api/v1/status") ||
		!strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Errorf("page: got %d %v; expected 200, body to contain %q and Get(\"Content-Type\") to begin with %q", code, header, "api/v1/status", "text/html")
	}
}

func TestStatus_rendered(t *testing.T) {
	t.Parallel()
	c := Config{Render: func(json string) string { return strings.ReplaceAll(json, "option 'x'", "--x") }}
	h := New(c, Sources{Conditions: []Condition{{Name: "c", Func: func() (State, string) { return Down, "raise option 'x'" }}}}, nil).Handler()
	for _, path := range []string{"/readyz", "/api/v1/status"} {
		if _, body, _ := get(t, h, "GET", path); !strings.Contains(body, `"raise --x"`) {
			t.Errorf("%s is %s, expected it to contain the rendered reason", path, body)
		}
	}
}

func TestHandler_changesNothing(t *testing.T) {
	t.Parallel()
	h := New(Config{}, Sources{}, nil).Handler()
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/", "/readyz", "/healthz", "/api/v1/status"} {
			if code, _, _ := get(t, h, method, path); code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: got %d, expected %v", method, path, code, http.StatusMethodNotAllowed)
			}
		}
	}
	if code, _, _ := get(t, h, "GET", "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("pprof: got %d, expected %v", code, http.StatusNotFound)
	}
}

func TestStatus_valuesThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	h := New(Config{}, Sources{Sections: []Section{{"bad", func() any { return math.NaN() }}}}, nil).Handler()
	if code, body, _ := get(t, h, "GET", "/api/v1/status"); code != 500 || !strings.Contains(body, "NaN") {
		t.Errorf("got %d %q; expected 500 and it to contain %q", code, body, "NaN")
	}
}

func TestServer_runs(t *testing.T) {
	t.Parallel()
	s := New(Config{Listen: "127.0.0.1:0"}, Sources{}, nil)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := New(Config{Listen: s.Addr().String()}, Sources{}, nil)
	if err := other.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a taken port: got %v, expected an error that contains %q", err, "in use")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("got %q, expected %q", body, "ok\n")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestServer_turnedOff(t *testing.T) {
	t.Parallel()
	s := New(Config{}, Sources{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Listen(ctx); err != nil || s.Addr() != nil || s.Run(ctx) != nil {
		t.Errorf("got %v, %v", err, s.Addr())
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Listen: "9414"}).Validate(); err == nil || !strings.Contains(err.Error(), `"9414"`) {
		t.Errorf("got %v, expected an error that contains %q", err, `"9414"`)
	}
}
