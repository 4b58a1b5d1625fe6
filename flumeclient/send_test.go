package flumeclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is what fake clients send to.
type server struct {
	mu      sync.Mutex
	got     []string
	sizes   []int
	dials   int
	closed  int
	answer  func(call int) error // nil means OK
	calls   int
	arrived chan struct{}
}

type client struct{ s *server }

func (s *server) dial(context.Context) (Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	return client{s}, nil
}

func (c client) Append(_ context.Context, events []receiver.Event) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.arrived != nil {
		s.arrived <- struct{}{}
	}
	if s.answer != nil {
		if err := s.answer(s.calls); err != nil {
			return err
		}
	}
	s.sizes = append(s.sizes, len(events))
	for _, e := range events {
		s.got = append(s.got, string(e.Body))
		for _, h := range e.Headers {
			s.got[len(s.got)-1] += "|" + string(h.Key) + "=" + string(h.Value)
		}
	}
	return nil
}

func (c client) Close() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.closed++
	return nil
}

func input(parts ...string) []Input {
	var in []Input
	for i, p := range parts {
		in = append(in, Input{Name: fmt.Sprintf("in%d", i), Reader: strings.NewReader(p)})
	}
	return in
}

func TestRun_lines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300<<10) // longer than the reading buffer
	for name, tc := range map[string]struct {
		in   []Input
		want []string
	}{
		"nothing":          {nil, nil},
		"empty file":       {input(""), nil},
		"lines":            {input("a\nb\n"), []string{"a", "b"}},
		"no end at last":   {input("a\nb"), []string{"a", "b"}},
		"empty lines":      {input("\n\na\n"), []string{"", "", "a"}},
		"carriage returns": {input("a\r\nb\r\n"), []string{"a\r", "b\r"}},
		"byte order marks": {input("\xef\xbb\xbfa\n\xef\xbb\xbfb\n", "\xef\xbb\xbf", "\xef\xbb\xbf\nc"), []string{"a", "\xef\xbb\xbfb", "", "c"}},
		"files":            {input("a", "b\n", "", "c"), []string{"a", "b", "c"}},
		"long":             {input("a\n" + long + "\nb\n" + long), []string{"a", long, "b", long}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{}
			cfg := DefaultConfig()
			cfg.Batch = 2
			sum, err := Run(t.Context(), cfg, s.dial, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, s.got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			if n := int64(len(tc.want)); sum.Sent != n || sum.Acked != n || sum.Resent != 0 {
				t.Errorf("%+v, expected %d sent and acked", sum, n)
			}
			for _, n := range s.sizes {
				if n > 2 {
					t.Errorf("a batch of %d, expected at most 2", n)
				}
			}
			if s.dials != s.closed {
				t.Errorf("%d connections, %d closed", s.dials, s.closed)
			}
		})
	}
}

func TestRun_headersAndProgress(t *testing.T) {
	t.Parallel()
	s := &server{}
	cfg := DefaultConfig()
	cfg.Headers = []receiver.Header{{Key: []byte("host"), Value: []byte("h1")}}
	var last Summary
	cfg.Progress = func(p Summary) { last = p }
	sum, err := Run(t.Context(), cfg, s.dial, input("a\nb\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a|host=h1", "b|host=h1"}, s.got); d != "" {
		t.Error(d)
	}
	if last != sum || sum.Bytes != 2 || sum.P50 <= 0 || sum.P99 < sum.P50 || sum.Rate <= 0 {
		t.Errorf("last progress %+v, summary %+v; expected Bytes 2, P50 more than 0, P99 at least %v and Rate more than 0", last, sum, sum.P50)
	}
}

func TestRun_manyConnections(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	want := map[string]int{}
	for i := range 10_000 {
		fmt.Fprintf(&in, "line %d\n", i)
		want[fmt.Sprintf("line %d", i)]++
	}
	s := &server{}
	cfg := DefaultConfig()
	cfg.Connections = 4
	sum, err := Run(t.Context(), cfg, s.dial, []Input{{"in", &in}})
	if err != nil || sum.Acked != 10_000 {
		t.Fatalf("%+v, %v; expected Acked 10000 and no error", sum, err)
	}
	got := map[string]int{}
	for _, line := range s.got {
		got[line]++
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRun_resend(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	s := &server{answer: func(call int) error {
		switch call {
		case 2:
			return broken
		case 3:
			return fmt.Errorf("FAILED: %w", receiver.ErrRejected)
		}
		return nil
	}}
	cfg := DefaultConfig()
	cfg.Batch, cfg.Resend = 1, true
	sum, err := Run(t.Context(), cfg, s.dial, input("a\nb\nc\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b", "c"}, s.got); d != "" {
		t.Error(d)
	}
	if sum.Sent != 3 || sum.Acked != 3 || sum.Resent != 2 {
		t.Errorf("%+v, expected 3 sent, 3 acked, 2 resent", sum)
	}
	if s.dials != 2 { // a refusal keeps the connection, a break does not
		t.Errorf("%d connections, expected 2", s.dials)
	}
}

func TestRun_errors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	cfg := DefaultConfig()
	cfg.MaxLineBytes = 3
	for name, tc := range map[string]struct {
		in     []Input
		answer error
		want   string
	}{
		"no answer":   {input("a\n"), broken, "send 1 events: connection reset"},
		"long line":   {input("abc\nabcd\n"), nil, "in0: line 2 is longer than 3 bytes: raise option 'max-line-bytes'"},
		"broken file": {[]Input{{"f", io.MultiReader(strings.NewReader("a\n"), &failing{})}}, nil, "read f: disk on fire"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{answer: func(int) error { return tc.answer }}
			_, err := Run(t.Context(), cfg, s.dial, tc.in)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, expected %q", err, tc.want)
			}
		})
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

// A slow input, such as tail -f, must not wait for a batch to fill.
func TestRun_linger(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	s := &server{arrived: make(chan struct{}, 10)}
	cfg := DefaultConfig()
	cfg.Linger = 5 * time.Millisecond
	done := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), cfg, s.dial, []Input{{"stdin", r}})
		done <- err
	}()
	for range 2 {
		if _, err := io.WriteString(w, "a line\n"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.arrived:
		case <-time.After(10 * time.Second):
			t.Fatal("the line was not sent")
		}
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A Read that blocks does not keep Run from stopping.
func TestRun_stopWhileReading(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, DefaultConfig(), (&server{}).dial, []Input{{"stdin", r}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, expected context canceled", err)
	}
}

func TestHistogram_quantiles(t *testing.T) {
	t.Parallel()
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{{.5, 500 * time.Millisecond}, {.99, 990 * time.Millisecond}, {1, time.Second}} {
		if got := h.quantile(tc.q); got < tc.want || got > tc.want+tc.want*7/100 {
			t.Errorf("quantile %v is %v, expected %v or at most 7 %% more", tc.q, got, tc.want)
		}
	}
	for _, d := range []time.Duration{0, 1, 15, 16, 17, 1 << 40, 1<<63 - 1} {
		if i := bucketOf(d); bucketEnd(i) < d {
			t.Errorf("%d is in bucket %d, which ends at %d", d, i, bucketEnd(i))
		}
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{}.Validate()
	for _, want := range []string{"option 'batch-size' is 0", "option 'connections' is 0", "option 'max-line-bytes' is 0", "linger"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
