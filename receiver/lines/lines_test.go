package lines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kafka struct{}

func (kafka) Append(_ context.Context, r receiver.Request) error { r.Release(); return nil }
func (kafka) Ready(context.Context) error                        { return nil }

// read returns the bodies of each frame of a stream, and the error that ended it. Each chunk is sent after the one
// before was read, so that they never arrive together. The sender ends its side only once last has been received.
func read(t *testing.T, limits receiver.Limits, most int, chunks []string, last string) (frames [][]string, ended error) {
	t.Helper()
	tooLong := TooLong("--most", most)
	done := make(chan error, 1)
	came, over := make(chan struct{}), make(chan struct{})
	seen := make(chan struct{}, 1) // holds a value after the reader has looked at bytes
	see := func() {
		select {
		case seen <- struct{}{}:
		default:
		}
	}
	cut, more := Newline(most, tooLong), NewlineMore(most)
	cutSeen := func(b []byte) (body, rest []byte, ok bool, err error) { see(); return cut(b) }
	moreSeen := func(kept, arrived []byte) bool { see(); return more(kept, arrived) }
	cfg := netserver.DefaultConfig("lines", "lines")
	cfg.Listen, cfg.HalfClosed = "127.0.0.1:0", true
	s := netserver.New(cfg, func(c *netserver.Conn) error {
		defer close(over)
		in := NewReader(c, &limits, cutSeen, moreSeen)
		for {
			f, err := in.Next()
			if err != nil {
				if errors.Is(err, tooLong) {
					err = tooLong
				}
				done <- err
				return err
			}
			var bodies []string
			for _, e := range f.Events {
				bodies = append(bodies, string(e.Body))
			}
			frames = append(frames, bodies)
			if slices.Contains(bodies, last) {
				close(came)
			}
			f.Release()
		}
	}, receiver.NewRuntime(receiver.DefaultConfig(), kafka{}, nil, nil))
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, chunk := range chunks {
		if _, err := io.WriteString(c, chunk); err != nil {
			t.Fatal(err)
		}
		select {
		case <-seen:
		case <-over:
		case <-time.After(10 * time.Second):
			t.Fatalf("%q was not read", chunk)
		}
	}
	if last != "" {
		select {
		case <-came:
		case <-time.After(10 * time.Second):
			t.Fatalf("%q did not arrive while the connection was open", last)
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	select {
	case ended = <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection did not end")
	}
	return frames, ended
}

// Complete lines beyond the maximum of a request form the next request at once, without waiting for another byte.
func TestReader_linesOfTwoRequests(t *testing.T) {
	t.Parallel()
	limits := receiver.DefaultLimits("--")
	limits.MaxBatchEvents = 2
	frames, err := read(t, limits, 100, []string{"1\n2\n3\n4\n5\n"}, "5")
	if !errors.Is(err, io.EOF) {
		t.Errorf("got %v, expected %v", err, io.EOF)
	}
	if all := slices.Concat(frames...); !slices.Equal(all, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("%q", frames)
	}
	for _, f := range frames {
		if len(f) > 2 {
			t.Errorf("%q in one request, expected at most 2 elements", f)
		}
	}
}

// A line that is too long ends the connection, after the lines before it.
func TestReader_tooLong(t *testing.T) {
	t.Parallel()
	frames, err := read(t, receiver.DefaultLimits("--"), 10, []string{"123456789\nab\n1234567890\nafter\n"}, "")
	var rejected *receiver.RejectError
	if !errors.As(err, &rejected) || rejected.Reason != receiver.ReasonBodyBytes || !strings.Contains(err.Error(), "longer than 10 bytes, including its line end: send shorter lines, or raise --most") {
		t.Error(err)
	}
	if all := slices.Concat(frames...); !slices.Equal(all, []string{"123456789", "ab"}) {
		t.Errorf("%q, expected %v", all, []string{"123456789", "ab"})
	}
}

func TestNewline(t *testing.T) {
	t.Parallel()
	tooLong := errors.New("too long")
	for _, c := range []struct {
		b, body, rest string
		ok            bool
		err           error
	}{
		{"", "", "", false, nil},
		{"abc", "", "abc", false, nil},
		{"abc\ndef", "abc", "def", true, nil},
		{"\n", "", "", true, nil},
		{"abcd\n", "", "", false, tooLong},
		{"abcd", "", "", false, tooLong},
		{"abcde\nf", "", "", false, tooLong},
	} {
		body, rest, ok, err := Newline(4, tooLong)([]byte(c.b))
		if string(body) != c.body || string(rest) != c.rest || ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %q, %v, %v; expected %v, %v, %v and %v", c.b, body, rest, ok, err, c.body, c.rest, c.ok, c.err)
		}
	}
}

// BenchmarkNewline splits 1,000 lines of the length of an access log's, compared with only searching for their ends.
func BenchmarkNewline(b *testing.B) {
	const n = 1000
	stream := bytes.Repeat([]byte(strings.Repeat("x", 200)+"\n"), n)
	cut := Newline(512, errors.New("too long"))
	b.Run("cut", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		b.ReportAllocs()
		for b.Loop() {
			got, rest := 0, stream
			for {
				_, after, ok, err := cut(rest)
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					break
				}
				got, rest = got+1, after
			}
			if got != n {
				b.Fatalf("%d lines, expected %d", got, n)
			}
		}
	})
	b.Run("ceiling", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			if got := bytes.Count(stream, []byte{'\n'}); got != n {
				b.Fatalf("%d lines, expected %d", got, n)
			}
		}
	})
}

// A byte order mark at the beginning of a stream is skipped, in whatever pieces it arrives.
func TestReader_byteOrderMark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ chunks, want []string }{
		{[]string{"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"}, []string{"a", "\xef\xbb\xbfb"}},
		{[]string{"\xef", "\xbb", "\xbf", "a\nb\n"}, []string{"a", "b"}},
		{[]string{"\xef\xbb\xbf\n", "b\n"}, []string{"", "b"}},
		{[]string{"\xef\xbb\n", "b\n"}, []string{"\xef\xbb", "b"}},
		{[]string{"\n\xef\xbb\xbfb\n"}, []string{"", "\xef\xbb\xbfb"}},
	} {
		frames, err := read(t, receiver.DefaultLimits("--"), 100, c.chunks, c.want[len(c.want)-1])
		if !errors.Is(err, io.EOF) {
			t.Errorf("got %v, expected %v", err, io.EOF)
		}
		if all := slices.Concat(frames...); !slices.Equal(all, c.want) {
			t.Errorf("%q became %q, expected %q", c.chunks, all, c.want)
		}
	}
}
