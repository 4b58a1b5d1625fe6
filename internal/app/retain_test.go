package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/query"
)

// scripted is an expirer that returns what a test has written down, and notes the calls.
type scripted struct {
	moves []func() (int64, bool, error)
	left  int64 // rows of each chunk are taken from here
	takes time.Duration
	fails map[int]error // of a chunk, by its number from 0

	mu    sync.Mutex
	calls []string
}

// note notes a call, and returns the number of calls that deleted before.
func (s *scripted) note(call string) (chunks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if !strings.HasPrefix(c, "move") {
			chunks++
		}
	}
	s.calls = append(s.calls, call)
	return chunks
}

func (s *scripted) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *scripted) MoveLowWater(_ context.Context, table string) (int64, bool, error) {
	s.note("move " + table)
	if len(s.moves) == 0 {
		return 0, true, nil
	}
	do := s.moves[0]
	s.moves = s.moves[1:]
	return do()
}

func (s *scripted) DeleteExpired(ctx context.Context, _ string, limit int) (int64, error) {
	n := s.note(fmt.Sprint(limit))
	time.Sleep(s.takes) // in the time of the test's bubble
	if err := s.fails[n]; err != nil {
		return 0, err
	}
	deleted := min(s.left, int64(limit))
	s.left -= deleted
	return deleted, ctx.Err()
}

func retry(text string) error {
	return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New(text)}
}

// Chunks become larger while they are fast and smaller while they are slow or fail, and the last one has less than its
// limit.
func TestRetention_chunks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		left  int64
		takes time.Duration
		fails map[int]error
		want  string
		err   string
	}{
		"nothing": {want: "1000"},
		"fast":    {left: 30_000, want: "1000 2000 4000 8000 10000 10000"},
		"usual":   {left: 2500, takes: 100 * time.Millisecond, want: "1000 1000 1000"},
		"slow":    {left: 1800, takes: time.Second, want: "1000 500 250 125"},
		"waits":   {left: 1200, takes: 100 * time.Millisecond, fails: map[int]error{0: retry("lock wait"), 2: retry("lock wait")}, want: "1000 500 500 250 250 250"},
		"fails":   {left: 100, fails: map[int]error{0: errors.New("no such table")}, want: "1000", err: "no such table"},
		"always waits": {left: 100, fails: map[int]error{0: retry("lock wait"), 1: retry("lock wait"), 2: retry("lock wait"), 3: retry("lock wait"), 4: retry("lock wait")},
			want: "1000 500 250 125 100", err: "lock wait"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{left: c.left, takes: c.takes, fails: c.fails}
			r := newRetention(slog.New(slog.DiscardHandler), s, map[string]time.Duration{"hits": time.Hour})
			_, err := r.round(t.Context(), "hits")
			if got := strings.Join(s.called()[1:], " "); got != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got the limits %s and %v, expected %s and %q", name, got, err, c.want, c.err)
			}
			if err == nil && (s.left != 0 || r.status()["hits"].Deleted != c.left) {
				t.Errorf("%s: %d rows are left, and the status is %+v", name, s.left, r.status()["hits"])
			}
		})
	}
}

// Marks are moved at the start and then regularly; after a failure and before the job's first claim sooner. A failure of
// one table does not keep the others.
func TestRetention_rounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Date(2026, 8, 30, 0, 0, 0, 0, time.UTC)
		ok := func() (int64, bool, error) { return at.UnixMicro(), true, nil }
		notYet := func() (int64, bool, error) { return 0, false, nil }
		fails := func() (int64, bool, error) { return 0, false, errors.New("access denied") }
		s := &scripted{moves: []func() (int64, bool, error){notYet, notYet, fails, ok, ok, ok}, left: 5}
		var log bytes.Buffer
		r := newRetention(slog.New(slog.NewTextHandler(&log, nil)), s, map[string]time.Duration{"daily": 400 * 24 * time.Hour, "hits": 90 * 24 * time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.run(ctx); close(ended) }()
		// await lets time pass until so many calls were made, and returns how long that took.
		await := func(calls int) time.Duration {
			t.Helper()
			began := time.Now()
			for synctest.Wait(); len(s.called()) < calls; synctest.Wait() {
				if time.Since(began) > time.Hour {
					t.Fatalf("after an hour the calls are %v, expected %d", s.called(), calls)
				}
				time.Sleep(100 * time.Millisecond)
			}
			return time.Since(began)
		}
		expect := func(want ...string) {
			t.Helper()
			await(len(want))
			if got := strings.Join(s.called(), ", "); got != strings.Join(want, ", ") {
				t.Fatalf("the calls are %s, expected %s", got, strings.Join(want, ", "))
			}
		}
		calls := []string{"move daily", "move hits"}
		expect(calls...)
		if got := r.status()["hits"]; got.State != "waiting" || got.Keep != "90d" {
			t.Errorf("before the first claim the status is %+v", got)
		}
		calls = append(calls, "move daily", "move hits", "1000")
		expect(calls...)
		if got := r.status(); got["daily"].State != "failed" || got["daily"].Error != "access denied" || got["hits"].State != "done" || got["hits"].Deleted != 5 || got["hits"].Before != "2026-08-30T00:00:00Z" {
			t.Errorf("the status is %+v, expected that daily has failed and hits is done", got)
		}
		calls = append(calls, "move daily", "1000", "move hits", "1000")
		expect(calls...)
		if got := r.status()["daily"]; got.State != "done" || got.Error != "" {
			t.Errorf("after another try the status is %+v", got)
		}
		if after := await(len(calls) + 1); after < retainEvery-time.Second || after > retainEvery+time.Second {
			t.Errorf("the marks were moved again after %s, expected %s", after, retainEvery)
		}
		stop()
		<-ended
		for _, want := range []string{`msg="Cannot delete old windows; retrying" table=daily err="access denied"`, `msg="Deleted old windows" table=hits before=2026-08-30T00:00:00Z rows=5`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, &log)
			}
		}
	})
}

// etl check and etl plan say what a start deletes from a table that is there already, and what is missing for it.
func TestCheck_oldWindows(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	schema := db.Database(t)
	cfg := config(t, broker(t).ListenAddrs()[0], db.DSN(schema))
	opts := query.DefaultOptions()
	opts.Format = "json"
	plan, err := query.Compile("INSERT INTO hits SELECT k, TUMBLE(ts, INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events WHERE k IS NOT NULL AND ts IS NOT NULL GROUP BY k, d", opts)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Plan, cfg.Sink.Adopt = plan, true
	var keep option.Retention
	if err := keep.UnmarshalText([]byte("90d")); err != nil {
		t.Fatal(err)
	}
	if cfg.Sink.Retain, err = plan.Retained(keep); err != nil {
		t.Fatal(err)
	}
	run := func(do func(context.Context, Config, *bytes.Buffer) error) string {
		t.Helper()
		var out bytes.Buffer
		if err := do(t.Context(), cfg, &out); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
		return out.String()
	}
	check := func(ctx context.Context, c Config, out *bytes.Buffer) error { return Check(ctx, c, out) }
	planned := func(ctx context.Context, c Config, out *bytes.Buffer) error { return Plan(ctx, c, out) }
	expect := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("the output lacks %q:\n%s", w, got)
			}
		}
	}
	first := run(planned)
	expect(first, "CREATE TABLE IF NOT EXISTS etl_retain (", "CREATE TABLE IF NOT EXISTS `hits`")
	expect(run(check), "note     etl_retain: does not exist, and will be created at start")
	for text := range strings.SplitSeq(strings.TrimSpace(first), ";\n\n") {
		if err := db.Exec(schema, text); err != nil {
			t.Fatal(err)
		}
	}
	expect(run(planned), "-- Nothing is missing.", "-- hits: a start deletes nothing")
	for _, days := range []int{0, 89, 100, 200, 1000} {
		if err := db.Exec(schema, fmt.Sprintf("INSERT INTO hits (k, d, n) VALUES ('a', UTC_DATE() - INTERVAL %d DAY, 1)", days)); err != nil {
			t.Fatal(err)
		}
	}
	expect(run(planned), "-- hits: a start deletes 3 rows: all windows before 20")
	expect(run(check), "note     hits: a start deletes 3 rows: all windows before 20", "which ended more than 90d (option 'retain') ago",
		"warning  hits: no index begins with its window d, so the server reads the whole table for each piece of windows that is deleted: ALTER TABLE `hits` ADD INDEX (`d`)")
	if err := db.Exec(schema, "ALTER TABLE `hits` ADD INDEX (`d`)"); err != nil {
		t.Fatal(err)
	}
	if got := run(check); strings.Contains(got, "no index begins") {
		t.Errorf("with the index:\n%s", got)
	}
}
