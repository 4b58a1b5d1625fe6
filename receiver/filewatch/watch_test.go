package filewatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kafka struct{ receivertest.Kafka }

// got returns the lines that Kafka has, each after the name of its file.
func (k *kafka) got() (lines []string) {
	for _, e := range k.Events() {
		headers := map[string]string{}
		for _, h := range e.Headers {
			headers[string(h.Key)] = string(h.Value)
		}
		line := headers["basename"] + ": " + string(e.Body)
		if len(headers) != 3 || headers["sluice.line"] == "" || filepath.Base(headers["file"]) != headers["basename"] {
			line = receivertest.Show(e)
		}
		lines = append(lines, line)
	}
	return lines
}

// names returns the event IDs of the lines.
func (k *kafka) names() (names []string) {
	for _, e := range k.Events() {
		names = append(names, string(e.Headers[len(e.Headers)-1].Value))
	}
	return names
}

type fixture struct {
	*receivertest.Fixture
	w *Watcher
}

// start watches dir. change may modify the watcher before it is opened.
func start(t *testing.T, a receiver.Appender, dir, at string, configure func(*Config, *receiver.Runtime), change func(*Watcher)) *fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dirs, cfg.State, cfg.Interval = []string{dir}, at, 2*time.Millisecond
	g := &fixture{}
	construct := func(cfg Config, rt receiver.Runtime) *Watcher {
		w := New(cfg, rt)
		if change != nil {
			change(w)
		}
		return w
	}
	g.Fixture, g.w = receivertest.StartConfig(t, a, cfg, construct, func(cfg *Config, rt *receiver.Runtime) {
		rt.ShutdownTimeout = 10 * time.Second
		if configure != nil {
			configure(cfg, rt)
		}
	})
	return g
}

// idle waits until the directory was scanned again.
func (g *fixture) idle() {
	g.T.Helper()
	g.Until("all is read", func() bool {
		s := g.w.Status()[0]
		return s.Waiting == 0 && s.File == "" && s.Files > 0
	})
}

// put moves a file into dir. age is how long ago it was modified.
func put(t *testing.T, dir, file, text string, age time.Duration) {
	t.Helper()
	at := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(at, when, when); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at, filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
}

func TestWatcher_readsMovedFiles(t *testing.T) {
	t.Parallel()
	dir, at, k := t.TempDir(), t.TempDir(), &kafka{}
	put(t, dir, "new", "n1\nn2", time.Minute)
	put(t, dir, "old", "\xef\xbb\xbfo1\r\no2\ro3\n\n", time.Hour)
	put(t, dir, ".hidden", "h\n", time.Hour)
	put(t, dir, "_hidden", "h\n", time.Hour)
	if err := os.MkdirAll(filepath.Join(dir, "sub", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := start(t, k, dir, at, func(c *Config, _ *receiver.Runtime) { c.Batch = 2 }, nil)
	want := []string{"old: o1", "old: o2", "old: o3", "old: ", "new: n1", "new: n2"}
	g.Wants(k.got, want...)
	put(t, dir, "later", "l\n", 2*time.Hour)
	want = append(want, "later: l")
	g.Wants(k.got, want...)
	g.idle()
	s := g.w.Status()[0]
	if s.Files != 3 || s.Events != 7 || s.LastError != "" {
		t.Errorf("status %+v; expected Files 3, Events 7 and LastError an empty text", s)
	}
	seen := k.names()
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != 7 {
		t.Errorf("%d different names of 7 lines: %v, expected 7", n, k.names())
	}
	g.Stop()

	// A restart repeats no line, and continues.
	g = start(t, k, dir, at, nil, nil)
	put(t, dir, "more", "m\n", 0)
	g.Wants(k.got, append(want, "more: m")...)
}

// A second process cannot start on the same state, and a progress file that cannot be read fails the start.
func TestWatcher_startErrors(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), t.TempDir()
	g := start(t, &kafka{}, dir, at, nil, nil)
	other := New(g.w.cfg, receiver.Runtime{})
	if err := other.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, expected an error that contains %q", err, "in use by another process")
	}
	path := g.w.folders[0].store.path
	g.Stop()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := other.Open(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, expected an error that contains %q", err, path)
	}
}

// Progress is written after Kafka's acknowledgement, never before: while a batch is in progress, the offset on disk is
// that of its beginning.
func TestP23_progressAfterTheAck(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), t.TempDir()
	fail := true
	var path string
	k := &kafka{receivertest.Kafka{Before: func(_ context.Context, r receiver.Request) error {
		first := string(r.Events[0].Body)
		s, err := (&store{path: path}).load(dir)
		if err != nil {
			t.Error(err)
		}
		if known := s.files["f"]; first == "1" && known != nil || first == "3" && (known == nil || known.Offset != 4) {
			t.Errorf("before the batch of %s Kafka has, on disk is %+v", first, known)
		}
		if first == "3" && fail {
			fail = false
			return fmt.Errorf("%w: no", receiver.ErrNotProduced)
		}
		return nil
	}}}
	put(t, dir, "f", "1\n2\n3\n4\n", 0)
	g := start(t, k, dir, at, func(c *Config, _ *receiver.Runtime) { c.Batch = 2 }, func(w *Watcher) { path = w.folders[0].store.path })
	g.Wants(k.got, "f: 1", "f: 2", "f: 3", "f: 4")
	g.idle()
}

// A crash between Kafka's acknowledgement and the progress repeats only that batch, each line with the same ID.
func TestP23_crashBeforeProgressIsWritten(t *testing.T) {
	t.Parallel()
	dir, at, k := t.TempDir(), t.TempDir(), &kafka{}
	put(t, dir, "f", "1\n2\n3\n4\n5\n6\n", 0)
	writes := 0
	dead := make(chan struct{})
	g := start(t, k, dir, at, func(c *Config, _ *receiver.Runtime) { c.Batch = 2 }, func(w *Watcher) {
		w.folders[0].store.write = func(path string, b []byte) error {
			if writes++; writes == 2 {
				close(dead)
			}
			if writes >= 2 {
				return errors.New("the disk is full")
			}
			return writeDurably(path, b)
		}
	})
	<-dead
	g.Logs("Progress cannot be written")
	g.Stop()
	if n := len(k.got()); n != 4 {
		t.Errorf("%d lines were produced although progress could not be written, expected 4", n)
	}
	g = start(t, k, dir, at, func(c *Config, _ *receiver.Runtime) { c.Batch = 2 }, nil)
	g.Wants(k.got, "f: 1", "f: 2", "f: 3", "f: 4", "f: 3", "f: 4", "f: 5", "f: 6")
	g.Stop()
	if d := cmp.Diff(k.names()[2:4], k.names()[4:6]); d != "" {
		t.Errorf("a line has two event IDs: %s", d)
	}
}

// A stop waits for the batch in progress, and writes its offset.
func TestP33_stop(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), t.TempDir()
	came, ack := make(chan struct{}), make(chan struct{})
	k := &kafka{receivertest.Kafka{Before: func(context.Context, receiver.Request) error {
		close(came)
		<-ack
		return nil
	}}}
	put(t, dir, "f", "1\n2\n3\n", 0)
	g := start(t, k, dir, at, func(c *Config, _ *receiver.Runtime) { c.Batch = 2 }, nil)
	<-came
	g.Cancel()
	close(ack)
	g.Stop()
	k.Before = nil
	g = start(t, k, dir, at, nil, nil)
	g.Wants(k.got, "f: 1", "f: 2", "f: 3")
}

// If Kafka does not acknowledge before the stop is over, the batch is dropped and read again after the next start.
func TestP33_noAckBeforeTheStopEnds(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), t.TempDir()
	came := make(chan struct{})
	k := &kafka{receivertest.Kafka{Before: func(ctx context.Context, _ receiver.Request) error {
		close(came)
		<-ctx.Done()
		return context.Cause(ctx)
	}}}
	put(t, dir, "f", "1\n", 0)
	g := start(t, k, dir, at, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = time.Millisecond }, nil)
	<-came
	g.Stop()
	g.Logs("No acknowledgement from Kafka; the lines will be read again")
	k.Before = nil
	start(t, k, dir, at, nil, nil).Wants(k.got, "f: 1")
}

func TestWatcher_filesThatChange(t *testing.T) {
	t.Parallel()
	dir, at, k := t.TempDir(), t.TempDir(), &kafka{}
	put(t, dir, "f", "1\n2\n", time.Hour)
	g := start(t, k, dir, at, nil, nil)
	g.Wants(k.got, "f: 1", "f: 2")
	g.idle()

	h, err := os.OpenFile(filepath.Join(dir, "f"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.WriteString("3\n"); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	g.Logs("File grew")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x\n"), 0o600); err != nil { // in place
		t.Fatal(err)
	}
	g.Wants(k.got, "f: 1", "f: 2", "f: x")
	g.Logs("File replaced")
	g.idle()
	put(t, dir, "f", "y\nz\n", time.Minute)
	g.Wants(k.got, "f: 1", "f: 2", "f: x", "f: y", "f: z")
	g.idle()
	if err := os.Remove(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "g", "g\n", 0)
	g.Wants(k.got, "f: 1", "f: 2", "f: x", "f: y", "f: z", "g: g")
}

// rewrite overwrites a file in place, with another time.
func rewrite(t *testing.T, dir, file, text string, age time.Duration) {
	t.Helper()
	at, when := filepath.Join(dir, file), time.Now().Add(-age)
	if err := errors.Join(os.WriteFile(at, []byte(text), 0o600), os.Chtimes(at, when, when)); err != nil {
		t.Fatal(err)
	}
}

// A file that was rewritten with the same size and beginning is recognized by its end, and read completely.
func TestWatcher_sameSizeAndBeginning(t *testing.T) {
	t.Parallel()
	dir, k := t.TempDir(), &kafka{}
	banner := strings.Repeat("#", 2*headBytes)
	put(t, dir, "f", banner+"\n1\n", time.Hour)
	g := start(t, k, dir, t.TempDir(), nil, nil)
	g.Wants(k.got, "f: "+banner, "f: 1")
	g.idle()
	rewrite(t, dir, "f", banner+"\n1\n", time.Minute)
	g.Logs("treating it as the same file")
	rewrite(t, dir, "f", banner+"\n2\n", 30*time.Minute)
	g.Logs("File replaced")
	g.Wants(k.got, "f: "+banner, "f: 1", "f: "+banner, "f: 2")
	if names := k.names(); names[0] == names[2] {
		t.Error("lines of two files have the same event ID")
	}
}

// A file that is emptied before it was read to its end is abandoned with a warning, and no longer counts as waiting.
func TestWatcher_truncatedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var once sync.Once
	k := &kafka{receivertest.Kafka{Before: func(context.Context, receiver.Request) error {
		err := error(nil)
		once.Do(func() {
			rewrite(t, dir, "f", "", 0)
			err = fmt.Errorf("no: %w", receiver.ErrNotProduced)
		})
		return err
	}}}
	put(t, dir, "f", "1\n2\n", time.Hour)
	put(t, dir, "empty", "", time.Hour)
	g := start(t, k, dir, t.TempDir(), nil, nil)
	g.Logs("File emptied")
	g.idle()
	rewrite(t, dir, "f", "3\n", 0)
	g.Wants(k.got, "f: 3")
	if n := g.w.Status()[0].Files; n != 1 {
		t.Errorf("%d files, expected 1", n)
	}
}

// A batch of which Kafka accepts only some lines is retried less and less often, because each retry causes duplicates.
func TestWatcher_partialFailuresBackOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tries := make(chan time.Time, 100)
	k := &kafka{receivertest.Kafka{Before: func(context.Context, receiver.Request) error {
		tries <- time.Now()
		return errors.New("one record is too large, and the dead letter topic is closed")
	}}}
	put(t, dir, "f", "1\n", 0)
	start(t, k, dir, t.TempDir(), nil, nil)
	first := <-tries
	var last time.Time
	for range 9 {
		last = <-tries
	}
	if d := last.Sub(first); d < 60*time.Millisecond { // 150 ms less jitter; 18 ms without longer pauses
		t.Errorf("ten attempts within %s", d)
	}
}

// A file that cannot be read does not affect others, and is retried.
func TestWatcher_unreadable(t *testing.T) {
	t.Parallel()
	dir, at, k := t.TempDir(), t.TempDir(), &kafka{}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "f", "1\n", 0)
	g := start(t, k, dir, at, nil, nil)
	g.Wants(k.got, "f: 1")
	g.Logs("File cannot be read")
	if err := os.Remove(filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "loop", "2\n", 0)
	g.Wants(k.got, "f: 1", "loop: 2")
}

// A line that is too long is skipped and counted, wherever it is and however it ends.
func TestWatcher_longLines(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r", "\r\n"} {
		for _, long := range []int{11, 4000, batchBytes - 1, batchBytes, batchBytes + 1, 3*batchBytes + 7} {
			dir, k := t.TempDir(), &kafka{}
			text := "a" + end + strings.Repeat("x", long) + end + "1234567890" + end + strings.Repeat("y", long) + end + "b" + end + strings.Repeat("z", long)
			put(t, dir, "f", text, 0)
			g := start(t, k, dir, t.TempDir(), func(c *Config, _ *receiver.Runtime) { c.MaxLineBytes = 10 }, nil)
			g.Wants(k.got, "f: a", "f: 1234567890", "f: b")
			g.idle()
			g.Stop()
			if s := g.w.folders[0].state.files["f"]; s.Offset != int64(len(text)) {
				t.Errorf("%q, %d: read to %d of %d, expected %v", end, long, s.Offset, len(text), int64(len(text)))
			}
			if n := g.Metric("etl_receiver_refused_total"); n != 3 {
				t.Errorf("%q, %d: %v lines counted as too long, expected 3", end, long, n)
			}
		}
	}
}

// A line longer than batchBytes is read if MaxLineBytes allows it.
func TestWatcher_lineLongerThanABatch(t *testing.T) {
	t.Parallel()
	dir, k := t.TempDir(), &kafka{}
	line := strings.Repeat("x", 3*batchBytes)
	put(t, dir, "f", line+"\n"+line+"\r\nend", 0)
	g := start(t, k, dir, t.TempDir(), func(c *Config, _ *receiver.Runtime) { c.MaxLineBytes = len(line) }, nil)
	g.Wants(k.got, "f: "+line, "f: "+line, "f: end")
}
