package app

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/pool"
)

const (
	swapQuery  = "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n, COUNT(DISTINCT s) AS texts FROM events GROUP BY k"
	otherQuery = "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n, COUNT(DISTINCT s) AS texts FROM events WHERE events.n > 0 GROUP BY k"
)

// swap runs etl replay --swap into the table again.
func (s *replaySite) swap(t *testing.T, text string, stretch Stretch) error {
	t.Helper()
	return runSwap(t, s.config(t, text, "again"), stretch)
}

func runSwap(t *testing.T, cfg Config, stretch Stretch) error {
	t.Helper()
	log := &lockedBuffer{}
	err := Replay(t.Context(), cfg, stretch, true, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log)
		}
	})
	return err
}

// live starts the job whose table is swapped.
func (s *replaySite) live(t *testing.T, text string) *process {
	t.Helper()
	cfg := s.config(t, text, "")
	cfg.Batch.Recheck = 100 * time.Millisecond
	return start(t, cfg)
}

// wantTotals expects that the job counts all records, and that its table is what a job that counts everything gets.
func (s *replaySite) wantTotals(t *testing.T, text string, records int64) {
	t.Helper()
	await(t, fmt.Sprintf("the job is at %d", records), func() bool { return s.sum(t, "next_offset - first_offset", "etl") == records })
	fresh := s.config(t, strings.Replace(text, "totals", "fresh", 1), "")
	fresh.Sink.Job = "fresh"
	s.load(t, fresh, records)
	if got, want := s.rows(t, "totals"), s.rows(t, "fresh"); got != want || got == "" {
		t.Errorf("the table has\n%s\na fresh count is\n%s", got, want)
	}
	for _, counter := range []string{"counted", "filtered", "dead", "first_offset"} {
		if got, want := s.sum(t, counter, "etl"), s.sum(t, counter, "fresh"); got != want {
			t.Errorf("the job has %s %d, a fresh count %d", counter, got, want)
		}
	}
}

// The table is swapped while the job runs and records arrive. The job continues with the other table, without a restart,
// and each record is in it once.
func TestReplay_swapBesideTheJob(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 2000)
	p := s.live(t, swapQuery)
	await(t, "the job counts", func() bool { return s.sum(t, "next_offset - first_offset", "etl") == 2000 })
	if err := s.server.Exec(s.schema, "UPDATE totals SET n = n + 1000000"); err != nil { // wrong rows, to be replaced
		t.Fatal(err)
	}
	swapped, cfg := make(chan error, 1), s.config(t, swapQuery, "again") // s is not for use by several goroutines
	go func() { swapped <- runSwap(t, cfg, Stretch{}) }()
	total := int64(2000)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		<-tick.C
		if total < 12_000 { // on a slow machine, the swap takes long
			s.produce(t, 1, 50)
			total += 50
		}
		select {
		case err := <-swapped:
			if ended = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	s.produce(t, 2, 300)
	s.wantTotals(t, swapQuery, total+300)
	if !strings.Contains(s.rows(t, "totals__old"), "\n") {
		t.Error("the old rows are not in totals__old")
	}
	if err := s.swap(t, swapQuery, Stretch{}); err != nil {
		t.Errorf("the same command again: %v, expected that nothing is left to do", err)
	}
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Error(err)
	}
}

// After a swap with another query, the job's checkpoints are of that query: the old one is refused, and the other one
// continues without --query-change.
func TestReplay_swapWithAnotherQuery(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 1000)
	s.load(t, s.config(t, swapQuery, ""), 1000)
	if err := s.swap(t, otherQuery, Stretch{}); err != nil {
		t.Fatal(err)
	}
	if err := start(t, s.config(t, swapQuery, "")).wantEnd(t); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "counted by another query") {
		t.Errorf("the old query: got %v, expected a refusal", err)
	}
	s.produce(t, 1, 500)
	p := s.live(t, otherQuery)
	s.wantTotals(t, otherQuery, 1500)
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Error(err)
	}
}

// A swap after which records would be lost or counted twice is refused. The job is as it was, and continues.
func TestReplay_swapRefused(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 500)
	s.load(t, s.config(t, swapQuery, ""), 500)
	refused := func(name, text string, stretch Stretch, want string) {
		t.Helper()
		if err := s.swap(t, text, stretch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected an error that contains %q", name, err, want)
		}
		if strings.Contains(want, "without") || strings.Contains(want, "view") { // nothing was begun
			return
		}
		if err := s.server.Exec(s.schema, "DROP TABLE IF EXISTS again, again__groups", "DROP VIEW IF EXISTS again",
			"DELETE FROM etl_checkpoint WHERE job LIKE 'etl.replay%'", "DELETE FROM etl_target WHERE job LIKE 'etl.replay%'", "DELETE FROM etl_replay"); err != nil {
			t.Fatal(err)
		}
	}
	refused("an end", swapQuery, Stretch{To: s.base.Add(time.Hour)}, "must be given without")
	refused("a view", swapQuery+" HAVING n > 1", Stretch{}, "through a view")
	refused("a later start", swapQuery, Stretch{From: s.base.Add(30 * time.Second)}, "the rows of the records before it would be lost")
	s.produce(t, 1, 100)
	if log, err := s.replay(t.Context(), s.config(t, swapQuery, "again"), Stretch{}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	refused("a job that is behind", swapQuery, Stretch{}, "only up to")
	s.load(t, s.config(t, swapQuery, ""), 600)
	if err := s.server.Exec(s.schema, "CREATE TABLE totals__old (k INT)"); err != nil {
		t.Fatal(err)
	}
	refused("an old table", swapQuery, Stretch{}, "totals__old must not; got true, true and true")
	if err := s.server.Exec(s.schema, "DROP TABLE totals__old", "INSERT INTO etl_target SELECT 'second', job, query_hash, query_text, since FROM etl_target WHERE table_name = 'totals'"); err != nil {
		t.Fatal(err)
	}
	refused("several tables", swapQuery, Stretch{}, "must write totals alone")
	if err := s.server.Exec(s.schema, "DELETE FROM etl_target WHERE table_name = 'second'",
		"CREATE TABLE etl_retain AS SELECT 'totals' AS table_name, 'h' AS window_column, TIMESTAMP('2015-05-01') AS low_water"); err != nil {
		t.Fatal(err)
	}
	refused("other windows", swapQuery, Stretch{}, "old windows of table totals were deleted by its column h (option 'retain'), but the query has no windows there")
	if err := s.server.Exec(s.schema, "DROP TABLE etl_retain"); err != nil {
		t.Fatal(err)
	}
	s.produce(t, 2, 100)
	p := s.live(t, swapQuery)
	s.wantTotals(t, swapQuery, 700)
	p.stop()
}

// A swap that is interrupted while the job is held: no option lets the job continue. The same command finishes the swap,
// and the command without --swap gives the job its table back, unless the tables are renamed.
func TestReplay_swapInterrupted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name            string
		renamed, giveUp bool
	}{{"held, finished", false, false}, {"held, cancelled", false, true}, {"renamed, finished", true, false}, {"renamed, cancelled", true, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newReplaySite(t)
			s.produce(t, 0, 500)
			s.load(t, s.config(t, swapQuery, ""), 500)
			if log, err := s.replay(t.Context(), s.config(t, swapQuery, "again"), Stretch{}); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			s.produce(t, 1, 100)
			s.load(t, s.config(t, swapQuery, ""), 600)
			crashed := s.interruptedSwap(t)
			if !test.renamed {
				// The job is ahead of the replay, which must count the rest before it renames.
				if err := crashed.sink.Extend(t.Context(), crashed.swap, true); err != nil {
					t.Fatal(err)
				}
			} else {
				for _, err := range []error{
					crashed.sink.Extend(t.Context(), crashed.swap, false), crashed.count(t.Context()), crashed.sink.Extend(t.Context(), crashed.swap, true),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
				if _, err := crashed.sink.Rename(t.Context(), crashed.swap); err != nil {
					t.Fatal(err)
				}
			}
			held := s.config(t, swapQuery, "")
			held.Sink.ContinueQuery, held.Sink.Adopt = true, true
			if err := start(t, held).wantEnd(t); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "job etl is held") {
				t.Errorf("a start while the job is held: got %v, expected a refusal", err)
			}
			if test.giveUp {
				log, err := s.replay(t.Context(), s.config(t, swapQuery, "again"), Stretch{})
				switch {
				case test.renamed && (!errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "renamed already")):
					t.Errorf("giving up after the tables were renamed: got %v, expected a refusal\n%s", err, log)
				case !test.renamed && err != nil:
					t.Errorf("giving up: %v\n%s", err, log)
				}
			}
			if !test.giveUp || test.renamed {
				if err := s.swap(t, swapQuery, Stretch{}); err != nil {
					t.Fatal(err)
				}
				if s.rows(t, "totals__old") == "" {
					t.Error("the old rows are not in totals__old")
				}
			}
			s.produce(t, 2, 100)
			p := s.live(t, swapQuery)
			s.wantTotals(t, swapQuery, 700)
			p.stop()
		})
	}
}

// One process holds the job, and another gives it its table back before the first renames: the first must not rename.
func TestReplay_swapGivenUpElsewhere(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 200)
	s.load(t, s.config(t, swapQuery, ""), 200)
	first := s.interruptedSwap(t)
	for _, err := range []error{first.count(t.Context()), first.sink.Extend(t.Context(), first.swap, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.replay(t.Context(), s.config(t, swapQuery, "again"), Stretch{}); err == nil || !strings.Contains(err.Error(), "is finished") {
		t.Errorf("giving up: got %v, expected that the replay is finished", err)
	}
	if sent, err := first.sink.Rename(t.Context(), first.swap); sent || err == nil || !strings.Contains(err.Error(), "given job etl its table back") {
		t.Errorf("got %v (sent: %t), expected that the tables are not renamed", err, sent)
	}
}

// While the job is held, a partition that its topic has gained is not claimed, and checkpoints that were moved are noticed
// before the tables are renamed.
func TestReplay_swapHoldsNewPartitions(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 200)
	cfg := s.config(t, swapQuery, "")
	s.load(t, cfg, 200)
	r := s.interruptedSwap(t)
	for _, err := range []error{r.count(t.Context()), r.sink.Extend(t.Context(), r.swap, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stored, _, err := r.ledger.Replay(t.Context(), r.cfg.Kafka.Topic)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sink.QueryHash, cfg.Sink.QueryText = cfg.Plan.Fingerprint()
	sink := mysqlout.New(cfg.Sink, r.conns, nil, nil)
	if _, err := sink.Prepare(t.Context(), cfg.Plan.Tables()); err != nil {
		t.Fatal(err)
	}
	n := len(stored.Ranges)
	topic := batch.Topic{Name: cfg.Kafka.Topic, ID: stored.TopicID, Starts: make([]int64, n+1), Firsts: make([]int64, n+1)}
	if _, err := sink.Claim(t.Context(), topic, []int32{int32(n)}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "job etl is held") {
		t.Errorf("a claim of a new partition: got %v, expected that the job is held", err)
	}
	if _, err := s.db.ExecContext(t.Context(), "UPDATE etl_checkpoint SET next_offset = next_offset + 1 WHERE job = 'etl' AND partition_id = 0"); err != nil {
		t.Fatal(err)
	}
	if sent, err := r.sink.Rename(t.Context(), r.swap); sent || !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "were changed while it was held") {
		t.Errorf("got %v (sent: %t) after a checkpoint was moved, expected that the tables are not renamed", err, sent)
	}
}

// A swap is finished only with the query that has counted the rows. Afterwards, another query needs another replay.
func TestReplay_swapFinishedWithAnotherQuery(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 200)
	s.load(t, s.config(t, swapQuery, ""), 200)
	r := s.interruptedSwap(t)
	for _, err := range []error{r.count(t.Context()), r.sink.Extend(t.Context(), r.swap, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.swap(t, otherQuery, Stretch{}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "counted by another query than that of this command") {
		t.Errorf("another query: got %v, expected a refusal", err)
	}
	if err := s.swap(t, swapQuery, Stretch{}); err != nil {
		t.Fatal(err)
	}
	if err := s.swap(t, otherQuery, Stretch{}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "with another query") {
		t.Errorf("another query after the swap: got %v, expected a refusal", err)
	}
	if err := s.swap(t, swapQuery, Stretch{}); err != nil {
		t.Errorf("the same command again: %v", err)
	}
}

// interruptedSwap returns a replay whose steps the test takes, until it ends as in a crash.
func (s *replaySite) interruptedSwap(t *testing.T) *replaying {
	t.Helper()
	cfg := s.config(t, swapQuery, "again")
	conns := pool.New(cfg.Pool, nil, nil)
	t.Cleanup(func() { _ = conns.Close() })
	r := newReplaying(cfg, Stretch{}, conns, slog.New(slog.DiscardHandler))
	if _, err := r.begin(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	return r
}
