//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/receiver"
)

// twice sends each of n events at least twice, over several connections, each event with its own ID; events without an
// OK are sent again besides. It returns when every event got OK twice.
func twice(ctx context.Context, addr string, n int) error {
	const batch, senders = 100, 4
	g, ctx := errgroup.WithContext(ctx)
	for w := range senders {
		g.Go(func() error {
			var c *avroclient.Client
			defer func() {
				if c != nil {
					_ = c.Close() // what was answered was answered
				}
			}()
			pause := time.NewTicker(20 * time.Millisecond)
			defer pause.Stop()
			for first := w * batch; first < n; first += senders * batch {
				events := make([]receiver.Event, batch)
				for i := range events {
					events[i].Headers = []receiver.Header{{Key: []byte("id"), Value: fmt.Appendf(nil, "%032x", first+i)}}
					events[i].Body = []byte("a line")
				}
				for copies := 0; copies < 2; {
					select {
					case <-pause.C:
					case <-ctx.Done():
						return fmt.Errorf("sender %d stopped at event %d: %w", w, first, context.Cause(ctx))
					}
					var err error
					if c == nil {
						if c, err = avroclient.Dial(ctx, avroclient.DefaultConfig(addr)); err != nil {
							c = nil
							continue
						}
					}
					if err = c.Append(ctx, events); err != nil {
						_ = c.Close() // of no use any more
						c = nil
						continue
					}
					copies++
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// TestP28_CountedOnceAcrossKills sends every event at least twice while etl is killed at each step of a batch, COMMITs
// are cut off, another process joins and one is killed: each event ID is counted once, and the audit accounts for the
// duplicates.
func TestP28_CountedOnceAcrossKills(t *testing.T) {
	const events = 40_000
	ctx := etltest.Bounded(t, 6*time.Minute)
	rnd := seed(t)
	r := rand.New(rand.NewPCG(rnd, 3))
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO ids SELECT COALESCE(header('id'), '') AS id, COUNT(*) AS n FROM events GROUP BY id"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.more = []string{"--max-batch-records=1000", "--format=raw"}
	s.every = []string{"--dedup-header=id"}
	s.proxy.Commits(tenthCommit(rnd))
	sent := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	var both sync.WaitGroup
	both.Go(func() { sent <- twice(ctx, s.avro, events) })
	both.Go(func() { t.Logf("the audit balanced at %d instants", audit(watching, t, s.db)) })
	defer both.Wait()
	defer stop()

	for _, point := range []string{
		failpoint.Produced, // while events come in, which they do not to the end
		failpoint.Folded, failpoint.Fenced, failpoint.Upserting, failpoint.BeforeCommit, failpoint.CommitWritten,
		failpoint.CommitDone, failpoint.BeforeMirror,
	} {
		s.killAt(ctx, t, fmt.Sprintf("%s:kill:%d", point, 1+r.IntN(8)), func(*etltest.Process) {})
	}
	first := s.start(t, "run", "")
	epoch := s.lowestEpoch(ctx)
	etltest.Await(ctx, t, "the process owns every partition", func() bool { return s.lowestEpoch(ctx) > epoch })
	second := s.start(t, "load", "")
	etltest.Await(ctx, t, "two processes share the partitions", func() bool { return s.members(ctx, t) == 2 })
	second.Kill(t)
	select {
	case err := <-sent:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	var rows, counted, most int64
	if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*), SUM(n), MAX(n) FROM ids").Scan(&rows, &counted, &most); err != nil {
		t.Fatal(err)
	}
	if rows != events || counted != events || most != 1 {
		t.Errorf("%d event IDs counted %d times, one of them %d times; expected %d, each once", rows, counted, most, events)
	}
	var copies int64
	for _, c := range readCheckpoints(ctx, t, s.db, job) {
		copies += c.Duplicates
	}
	if copies < events {
		t.Errorf("the audit has %d duplicates, expected at least %d", copies, events)
	}
	t.Logf("%d events, %d duplicates", events, copies)
	first.Stop(ctx, t)
}
