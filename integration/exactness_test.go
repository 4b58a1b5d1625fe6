//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
)

// begin starts a load, and an audit loop that ends with the test. The channel receives the load's result.
func (s *site) begin(ctx context.Context, t *testing.T, l *load) <-chan error {
	t.Helper()
	sent := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	var both sync.WaitGroup
	both.Go(func() { sent <- l.run(ctx) })
	both.Go(func() { t.Logf("the audit balanced at %d instants", audit(ctx, t, s.db)) })
	t.Cleanup(func() {
		cancel()
		both.Wait()
	})
	return sent
}

// TestExactness_KilledAtEveryFailpoint sends 300,000 events over four connections while etl is killed at each failpoint, one
// after another, and restarted, and while the proxy cuts off every 10th COMMIT or drops its reply.
func TestExactness_KilledAtEveryFailpoint(t *testing.T) {
	ctx := etltest.Bounded(t, 8*time.Minute)
	rnd := seed(t)
	r := rand.New(rand.NewPCG(rnd, 1))
	s := newSite(t)
	s.more = []string{"--max-batch-records=1000"} // what waits after a restart is many COMMITs and not one
	s.proxy.Commits(tenthCommit(rnd))
	l := &load{seed: rnd, addr: s.avro, batch: 50, total: 300_000, rate: 3_000}
	sent := s.begin(ctx, t, l)

	points := []string{
		failpoint.Polled, failpoint.Folded, failpoint.Fenced, failpoint.Upserting, failpoint.BeforeCommit,
		failpoint.CommitWritten, failpoint.CommitDone, failpoint.BeforeMirror, failpoint.ClaimOpen, failpoint.ClaimDone,
		failpoint.Produced, failpoint.Acknowledged,
	}
	r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	for _, point := range points {
		hits := 1
		if !strings.HasPrefix(point, "T") {
			hits += r.IntN(12)
		}
		s.killAt(ctx, t, fmt.Sprintf("%s:kill:%d", point, hits), func(*etltest.Process) {})
	}
	// Partitions are revoked from a running process when another one joins.
	var second *etltest.Process
	epoch := s.lowestEpoch(ctx) // before the first process can claim
	s.killAt(ctx, t, failpoint.Revoking+":kill", func(*etltest.Process) {
		etltest.Await(ctx, t, "the first process owns every partition", func() bool { return s.lowestEpoch(ctx) > epoch })
		second = s.start(t, "load", "")
	})
	last := s.start(t, "run", "")
	s.finish(ctx, t, l, sent, last, second)
	t.Logf("COMMITs: %d passed, %d cut off before, %d after, the replies to %d dropped", s.proxy.Done(mysqlproxy.Pass),
		s.proxy.Done(mysqlproxy.CutBefore), s.proxy.Done(mysqlproxy.CutAfter), s.proxy.Done(mysqlproxy.Swallow))
}

// tenthCommit cuts off every 10th COMMIT or drops its reply. Each dropped reply costs etl's read timeout, so there are
// at most twenty.
func tenthCommit(seed uint64) func(int) mysqlproxy.Fate {
	r := rand.New(rand.NewPCG(seed, 2))
	swallowed := 0
	return func(n int) mysqlproxy.Fate {
		if n%10 != 0 {
			return mysqlproxy.Pass
		}
		fate := []mysqlproxy.Fate{mysqlproxy.CutBefore, mysqlproxy.CutAfter, mysqlproxy.Swallow}[r.IntN(3)]
		if fate == mysqlproxy.Swallow {
			if swallowed++; swallowed > 20 {
				return mysqlproxy.CutAfter
			}
		}
		return fate
	}
}

// killAt runs one etl until its failpoint kills it.
func (s *site) killAt(ctx context.Context, t *testing.T, at string, meanwhile func(*etltest.Process)) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute is over"))
	defer cancel()
	began, before := time.Now(), s.counted(ctx)
	p := s.start(t, "run", at)
	meanwhile(p)
	p.AwaitKilled(ctx, t)
	t.Logf("%s: killed after %v, %d records counted by then, %d of them by this process", at,
		time.Since(began).Round(time.Millisecond), s.counted(ctx), s.counted(ctx)-before)
}

// TestExactness_Zombie freezes one of two processes at the worst moments until the group has removed it and the other
// one has processed its partitions, and then resumes the frozen one.
func TestExactness_Zombie(t *testing.T) {
	ctx := etltest.Bounded(t, 5*time.Minute)
	rnd := seed(t)
	s := newSite(t)
	ingest := s.start(t, "ingest", "")
	l := &load{seed: rnd, addr: s.avro, batch: 50, total: 100_000, rate: 1_500}
	sent := s.begin(ctx, t, l)
	other := s.start(t, "load", "")
	etltest.Await(ctx, t, "the other process owns every partition", func() bool { return s.lowestEpoch(ctx) > 0 })

	var zombie *etltest.Process
	for _, point := range []string{failpoint.Folded, failpoint.Fenced, failpoint.BeforeCommit, failpoint.CommitWritten} {
		if zombie != nil {
			zombie.Kill(t)
		}
		zombie = s.start(t, "load", point+":stop")
		etltest.Await(ctx, t, "the process is frozen at "+point, func() bool { return frozen(t, zombie) })
		etltest.Await(ctx, t, "the group has dropped the frozen process", func() bool { return s.members(ctx, t) == 1 })
		frozen := readCheckpoints(ctx, t, s.db, job)
		etltest.Await(ctx, t, "every partition has gone on without it", func() bool {
			now := readCheckpoints(ctx, t, s.db, job)
			for p, c := range frozen {
				if now[p].Next <= c.Next {
					return false
				}
			}
			return true
		})
		zombie.Signal(t, syscall.SIGCONT)
		etltest.Await(ctx, t, "the thawed process is a member again", func() bool { return s.members(ctx, t) == 2 })
	}
	s.finish(ctx, t, l, sent, zombie, other, ingest)
}

// frozen reports whether the kernel has stopped the process.
func frozen(t *testing.T, p *etltest.Process) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return false
	}
	// The state follows the name, which is in parentheses.
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

// TestExactness_OlderState restores MariaDB to an older copy of its data directory, twice, while events arrive. etl
// rewinds without help.
func TestExactness_OlderState(t *testing.T) {
	ctx := etltest.Bounded(t, 4*time.Minute)
	rnd := seed(t)
	s := newSite(t)
	p := s.start(t, "run", "")
	l := &load{seed: rnd, addr: s.avro, batch: 50, total: 100_000, rate: 3_000}
	sent := s.begin(ctx, t, l)
	for range 2 {
		at := s.counted(ctx)
		etltest.Await(ctx, t, "5,000 more records are counted", func() bool { return s.counted(ctx) >= at+5_000 })
		older, err := s.server.CopyData()
		if err != nil {
			t.Fatal(err)
		}
		kept := s.counted(ctx)
		etltest.Await(ctx, t, "10,000 records are counted after the copy", func() bool { return s.counted(ctx) >= kept+10_000 })
		if err := s.server.RestoreData(older); err != nil {
			t.Fatal(err)
		}
	}
	s.finish(ctx, t, l, sent, p)
}

// TestExactness_ServersKilled kills broker and database with SIGKILL while etl runs, one after the other and both at
// once, and restarts them.
func TestExactness_ServersKilled(t *testing.T) {
	ctx := etltest.Bounded(t, 4*time.Minute)
	rnd := seed(t)
	s := newSite(t)
	p := s.start(t, "run", "")
	l := &load{seed: rnd, addr: s.avro, batch: 50, total: 60_000, rate: 3_000}
	sent := s.begin(ctx, t, l)
	for _, which := range []struct{ broker, server bool }{{false, true}, {true, false}, {true, true}} {
		at := s.counted(ctx)
		etltest.Await(ctx, t, "3,000 more records are counted", func() bool { return s.counted(ctx) >= at+3_000 })
		if which.server {
			if err := s.server.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if which.broker {
			s.broker.kill(t)
			s.broker.start(t)
		}
		if err := s.server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	s.finish(ctx, t, l, sent, p)
}
