//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// TestWatch_KilledOnce moves files into a directory while etl is killed with SIGKILL, at each step of a batch and at
// random moments: a restart skips no line, and with --dedup-header sluice.line it counts none twice.
func TestWatch_KilledOnce(t *testing.T) {
	const files, lines = 12, 5_000
	ctx := etltest.Bounded(t, 4*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT COALESCE(header('basename'), '') AS file, _body AS line, COUNT(*) AS n FROM events GROUP BY file, line"), 0o600); err != nil {
		t.Fatal(err)
	}
	watched, outside, state := filepath.Join(s.dir, "watched"), filepath.Join(s.dir, "outside"), filepath.Join(s.dir, "state")
	for _, dir := range []string{watched, outside, state} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.more = []string{"--format=raw", "--max-batch-records=1000"}
	s.every = []string{"--watch-dir=" + watched, "--watch-state=" + state, "--watch-batch=100", "--dedup-header=sluice.line"}
	moved := 0
	move := func(n int) {
		for range n {
			var text strings.Builder
			for i := range lines {
				fmt.Fprintf(&text, "line %d\n", i)
			}
			name := fmt.Sprintf("%02d.log", moved)
			if err := os.WriteFile(filepath.Join(outside, name), []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(outside, name), filepath.Join(watched, name)); err != nil {
				t.Fatal(err)
			}
			moved++
		}
	}
	for _, point := range []string{failpoint.Produced, failpoint.Folded, failpoint.CommitDone} {
		move(2)
		s.killAt(ctx, t, point+":kill:3", func(*etltest.Process) {})
	}
	for moved < files {
		move(2)
		before := s.counted(ctx)
		p := s.start(t, "run", "")
		etltest.Await(ctx, t, "more is counted", func() bool { return s.counted(ctx) > before })
		p.Kill(t)
	}
	p := s.start(t, "run", "")
	var rows, counted, most int64
	count := func(ctx context.Context) {
		if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(n), 0), COALESCE(MAX(n), 0) FROM seen").Scan(&rows, &counted, &most); err != nil {
			t.Fatal(err)
		}
	}
	etltest.Await(ctx, t, "every line is counted", func() bool { count(ctx); return rows == files*lines })
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	p.Stop(ctx, t)
	count(ctx)
	if rows != files*lines || counted != rows || most != 1 {
		t.Errorf("%d lines counted %d times, one of them %d times; expected %d, each once", rows, counted, most, files*lines)
	}
	var copies int64
	for _, c := range readCheckpoints(ctx, t, s.db, job) {
		copies += c.Duplicates
	}
	t.Logf("%d lines, %d duplicates in Kafka", files*lines, copies)
}
