package http

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/receiver"
)

//go:embed testdata/flume-1.11.0.txt
var flume []byte

// said is one request to a real Flume agent, the status of the reply, and the events that the agent created.
type said struct {
	request string
	status  int
	events  []string
}

func flumeSaid(tb testing.TB) []said {
	tb.Helper()
	var all []said
	in := bufio.NewScanner(bytes.NewReader(flume))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		if strings.HasPrefix(line, "== http, a channel") {
			break // a full channel does not concern our receiver
		}
		switch {
		case strings.HasPrefix(line, "> "):
			q, err := strconv.Unquote(line[2:])
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, said{request: q})
		case strings.HasPrefix(line, "= "):
			status, err := strconv.Atoi(line[len(`= "HTTP/1.1 `):][:3])
			if err != nil {
				tb.Fatal(err)
			}
			all[len(all)-1].status = status
		case strings.HasPrefix(line, "< "):
			all[len(all)-1].events = append(all[len(all)-1].events, line[2:])
		}
	}
	if len(all) < 30 {
		tb.Fatalf("%d requests, expected at least 30", len(all))
	}
	return all
}

// Requests give the same status and events as with a real agent, except for the differences in doc.go.
func TestReceiver_matchesFlume(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	got := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
	k := &kafka{}
	k.OnAppend = func(_ context.Context, r receiver.Request) error {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range r.Events {
			var headers []string
			for _, h := range e.Headers {
				headers = append(headers, strconv.Quote(string(h.Key))+"="+strconv.Quote(string(h.Value)))
			}
			slices.Sort(headers)
			seen = append(seen, "{"+strings.Join(headers, ",")+"} "+strconv.Quote(string(e.Body)))
		}
		r.Release()
		return nil
	}
	g := start(t, k, nil)
	unquoted := func(s string) string { return strings.NewReplacer("é", `\u00e9`, "日", `\u65e5`).Replace(s) }
	for _, s := range flumeSaid(t) {
		before := len(got())
		c := g.Dial()
		c.Send([]byte(s.request))
		q, err := http.ReadRequest(bufio.NewReader(strings.NewReader(s.request)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(c), q)
		if err != nil {
			t.Fatalf("%q: %v", s.request, err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		want, events := s.status, s.events
		_, body, _ := strings.Cut(s.request, "\r\n\r\n")
		switch {
		case want == http.StatusForbidden, q.Method == http.MethodHead:
			want = http.StatusMethodNotAllowed
		case want == http.StatusInternalServerError && !strings.Contains(s.request, "charset="):
			want = http.StatusBadRequest // an empty body, null, or an event that is null
		case strings.Contains(body, "\xff"):
			events = []string{`{} "byte \xff"`} // kept
		}
		if r.StatusCode != want {
			t.Errorf("%q: status %d, expected %d", s.request, r.StatusCode, want)
		}
		if d := cmp.Diff(unquoted(strings.Join(events, "\n")), unquoted(strings.Join(got()[before:], "\n"))); d != "" {
			t.Errorf("%q: %s", s.request, d)
		}
	}
}
