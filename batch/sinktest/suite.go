package sinktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// Harness is a fresh database and how the suite works on it. A function that is nil says that this sink cannot do so;
// the tests that need it are then left out, and say so.
type Harness[D any] struct {
	// Open is another process of the same job.
	Open func() batch.Sink[D]
	// OpenQuery is another process of the same job with another query.
	OpenQuery func() batch.Sink[D]
	// Delta is rows that add to keys.
	Delta func(counts map[string]int64) D
	// Rows reads what was added, by key.
	Rows func() map[string]int64
	// Checkpoints reads all checkpoints of a topic, in order.
	Checkpoints func(topic string) []checkpoint.Checkpoint
	// DeadLetters counts dead letters.
	DeadLetters func() int
	// Delete removes a checkpoint.
	Delete func(checkpoint.Partition)
	// Lose makes the next COMMIT lose its answer: before it was carried out, or after.
	Lose func(carriedOut bool)
	// Copy keeps the state of the database, and returns a function that puts it back.
	Copy func() (restore func())
	// Rejected is a key that the database refuses, empty where there is none.
	Rejected string
	// Writers is how many tasks the suite runs at once; 0 means 4.
	Writers int
}

// Run holds a sink to the protocol. open makes a fresh database for each test.
func Run[D any](t *testing.T, open func(t *testing.T) Harness[D]) {
	for _, test := range []struct {
		name string
		run  func(*bench[D], *testing.T)
	}{
		{"P5_firstClaimFixesEveryStart", (*bench[D]).firstClaim},
		{"P7_claimFencesTheOwnerBefore", (*bench[D]).claimFences},
		{"P9_commitMovesRowsAndCheckpoint", (*bench[D]).commits},
		{"P9_secondCommitOfOnePartIsFenced", (*bench[D]).commitsOnce},
		{"P13_oneFenceStopsTheWholePart", (*bench[D]).partialFence},
		{"P4_otherTopicChangesNothing", (*bench[D]).otherTopic},
		{"P2_otherQueryChangesNothing", (*bench[D]).otherQuery},
		{"P3_heldCheckpointGone", (*bench[D]).gone},
		{"P12_answersOfResolve", (*bench[D]).answers},
		{"P12_checkpointsStillStand", (*bench[D]).standing},
		{"P12_lostBeforeCommit", func(b *bench[D], t *testing.T) { b.lost(t, false) }},
		{"P12_lostAfterCommit", func(b *bench[D], t *testing.T) { b.lost(t, true) }},
		{"P12_olderState", (*bench[D]).older},
		{"P18_refusedRowsAreNamed", (*bench[D]).refused},
		{"P10_tasksAddToTheSameRows", (*bench[D]).together},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&bench[D]{Harness: open(t), topic: batch.Topic{
				Name: "logs", ID: checkpoint.TopicID{1, 2}, Starts: []int64{100, 50, 0}, Firsts: []int64{0, 0, 0},
			}}, t)
		})
	}
}

type bench[D any] struct {
	Harness[D]
	topic batch.Topic
	made  byte
}

func (b *bench[D]) claim(t *testing.T, s batch.Sink[D], partitions ...int32) []checkpoint.Checkpoint {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		out, err := s.Claim(ctx, b.topic, partitions)
		if err == nil {
			return out
		}
		if !errors.Is(err, checkpoint.ErrRetry) || ctx.Err() != nil {
			t.Fatalf("claim: %v", err)
		}
	}
}

// part takes each checkpoint n offsets on, all counted.
func (b *bench[D]) part(n int64, counts map[string]int64, from ...checkpoint.Checkpoint) *batch.TaskBatch[D] {
	b.made++
	p := &batch.TaskBatch[D]{ID: checkpoint.BatchID{0xba, b.made}, Delta: b.Delta(counts)}
	for _, c := range from {
		p.Advances = append(p.Advances, batch.Advance{
			Range:       checkpoint.Range{Partition: c.Partition, First: c.Next, Next: c.Next + n},
			LeaderEpoch: 7, Epoch: c.Epoch, Owner: c.Owner, Audit: checkpoint.Audit{Counted: n},
		})
	}
	return p
}

func (b *bench[D]) wantRows(t *testing.T, want map[string]int64) {
	t.Helper()
	got := b.Rows()
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 })
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	for _, c := range b.Checkpoints(b.topic.Name) {
		if !c.Balances() {
			t.Errorf("audit of %v is %+v, which does not balance", c.Range, c.Audit)
		}
	}
}

func (b *bench[D]) wantNext(t *testing.T, want ...int64) {
	t.Helper()
	var got []int64
	for _, c := range b.Checkpoints(b.topic.Name) {
		got = append(got, c.Next)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("next offsets (-want +got):\n%s", d)
	}
}

func wantClass(t *testing.T, err, class error, partitions ...checkpoint.Partition) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("error is %v, want class %v", err, class)
	}
	var e *checkpoint.Error
	if errors.As(err, &e) && partitions != nil {
		if d := cmp.Diff(partitions, e.Partitions); d != "" {
			t.Errorf("partitions of the error (-want +got):\n%s", d)
		}
	}
}

func (b *bench[D]) at(id int32) checkpoint.Partition {
	return checkpoint.Partition{Topic: b.topic.Name, ID: id}
}

func (b *bench[D]) firstClaim(t *testing.T) {
	got := b.claim(t, b.Open(), 0, 2)
	if len(got) != 2 || got[0].Next != 100 || got[1].Next != 0 || got[0].Epoch != 1 || got[0].LeaderEpoch != -1 {
		t.Fatalf("claimed %+v", got)
	}
	if got[0].Owner == (checkpoint.Owner{}) || got[0].Owner != got[1].Owner || got[0].TopicID != b.topic.ID {
		t.Errorf("claimed %+v", got)
	}
	b.wantNext(t, 100, 50, 0) // partition 1 too, which nobody has claimed
	if c := b.Checkpoints(b.topic.Name)[1]; c.Epoch != 0 || c.Owner != (checkpoint.Owner{}) {
		t.Errorf("unclaimed partition: %+v", c)
	}
	// The end of the log has moved on, and a partition has appeared.
	b.topic.Starts, b.topic.Firsts = []int64{900, 900, 900, 900}, []int64{0, 0, 0, 3}
	got = b.claim(t, b.Open(), 1, 3)
	if got[0].Next != 50 || got[1].Next != 3 || got[1].First != 3 {
		t.Errorf("claimed %+v, want partition 1 at 50 and partition 3 at its first record", got)
	}
}

func (b *bench[D]) claimFences(t *testing.T) {
	s1, s2 := b.Open(), b.Open()
	old := b.claim(t, s1, 0)
	now := b.claim(t, s2, 0)
	if now[0].Epoch != old[0].Epoch+1 || now[0].Owner == old[0].Owner {
		t.Fatalf("second claim %+v after %+v", now, old)
	}
	err := s1.Commit(t.Context(), b.part(10, map[string]int64{"a": 10}, old...))
	wantClass(t, err, checkpoint.ErrFenced, b.at(0))
	b.wantRows(t, map[string]int64{})
	if err := s2.Commit(t.Context(), b.part(5, map[string]int64{"a": 5}, now...)); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 5})
}

func (b *bench[D]) commits(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	p := b.part(6, map[string]int64{"a": 4, "b": 3}, at...)
	p.Advances[1].Audit = checkpoint.Audit{Counted: 1, Filtered: 1, Dead: 1, Gaps: 1, Duplicates: 1, Skipped: 1}
	p.Dead = []batch.DeadLetter{{Partition: b.at(1), Offset: 52, Statement: -1, Reason: "no word", Value: []byte{0xff, 0, '\''}, Length: 3}}
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 4, "b": 3})
	b.wantNext(t, 106, 56, 0)
	c := b.Checkpoints(b.topic.Name)[1]
	if c.Audit != p.Advances[1].Audit || c.LeaderEpoch != 7 || c.Batch != p.ID || c.First != 50 {
		t.Errorf("checkpoint %+v", c)
	}
	if n := b.DeadLetters(); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
	p = b.part(4, map[string]int64{"a": 1}, b.Checkpoints(b.topic.Name)[0])
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 5, "b": 3})
}

func (b *bench[D]) commitsOnce(t *testing.T) {
	s := b.Open()
	p := b.part(10, map[string]int64{"a": 10}, b.claim(t, s, 0)...)
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	wantClass(t, s.Commit(t.Context(), p), checkpoint.ErrFenced)
	b.wantRows(t, map[string]int64{"a": 10})
}

func (b *bench[D]) partialFence(t *testing.T) {
	s1, s2 := b.Open(), b.Open()
	at := b.claim(t, s1, 0, 1)
	b.claim(t, s2, 1)
	wantClass(t, s1.Commit(t.Context(), b.part(10, map[string]int64{"a": 20}, at...)), checkpoint.ErrFenced, b.at(1))
	b.wantRows(t, map[string]int64{})
	b.wantNext(t, 100, 50, 0)
}

func (b *bench[D]) otherTopic(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0)
	other := b.topic
	other.ID = checkpoint.TopicID{9}
	_, err := b.Open().Claim(t.Context(), other, []int32{0})
	wantClass(t, err, checkpoint.ErrRefused, b.at(0))
	if err := s.Commit(t.Context(), b.part(1, map[string]int64{"a": 1}, at...)); err != nil {
		t.Errorf("the owner was disturbed: %v", err)
	}
}

func (b *bench[D]) otherQuery(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0)
	_, err := b.OpenQuery().Claim(t.Context(), b.topic, []int32{0})
	wantClass(t, err, checkpoint.ErrRefused, b.at(0))
	if err := s.Commit(t.Context(), b.part(1, map[string]int64{"a": 1}, at...)); err != nil {
		t.Errorf("the owner was disturbed: %v", err)
	}
}

func (b *bench[D]) gone(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	b.Delete(b.at(0))
	wantClass(t, s.Commit(t.Context(), b.part(1, map[string]int64{"a": 2}, at...)), checkpoint.ErrCheckpointLost, b.at(0))
	_, err := s.Claim(t.Context(), b.topic, []int32{0, 1})
	wantClass(t, err, checkpoint.ErrCheckpointLost, b.at(0))
	b.wantRows(t, map[string]int64{})
}

func (b *bench[D]) wantOutcome(t *testing.T, s batch.Sink[D], p *batch.TaskBatch[D], want batch.Outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		got, err := s.Resolve(ctx, p.ID, p.Advances)
		if err == nil {
			if got != want {
				t.Errorf("outcome %d, want %d", got, want)
			}
			return
		}
		if !errors.Is(err, checkpoint.ErrRetry) || ctx.Err() != nil {
			t.Fatalf("resolve: %v", err)
		}
	}
}

func (b *bench[D]) answers(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	p := b.part(10, map[string]int64{"a": 20}, at...)
	b.wantOutcome(t, s, p, batch.NotCommitted)
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantOutcome(t, s, p, batch.Committed)
	b.claim(t, b.Open(), 1)
	b.wantOutcome(t, s, p, batch.Superseded)
	b.wantRows(t, map[string]int64{"a": 20})
}

// An idle task asks whether its checkpoints are still as it thinks, with moves of no length and no batch. Some of its
// partitions have had a batch, some never.
func (b *bench[D]) standing(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	if err := s.Commit(t.Context(), b.part(10, map[string]int64{"a": 10}, at[0])); err != nil {
		t.Fatal(err)
	}
	var moves []batch.Advance
	for i, c := range at {
		next := c.Next
		if i == 0 {
			next += 10
		}
		moves = append(moves, batch.Advance{
			Range: checkpoint.Range{Partition: c.Partition, First: next, Next: next}, Epoch: c.Epoch, Owner: c.Owner,
		})
	}
	ask := func() batch.Outcome {
		got, err := s.Resolve(t.Context(), checkpoint.BatchID{}, moves)
		if err != nil {
			t.Fatalf("resolve: %v", err)
		}
		return got
	}
	if got := ask(); got == batch.Superseded {
		t.Error("checkpoints that stand were said to be others")
	}
	moves[0].First, moves[0].Next = moves[0].First+1, moves[0].Next+1
	if got := ask(); got != batch.Superseded {
		t.Errorf("a checkpoint that went back: outcome %d, want Other", got)
	}
}

func (b *bench[D]) lost(t *testing.T, carriedOut bool) {
	if b.Lose == nil {
		t.Skip("NOT RUN: this sink has no way to lose an answer")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	p := b.part(10, map[string]int64{"a": 10}, at...)
	b.Lose(carriedOut)
	wantClass(t, s.Commit(t.Context(), p), checkpoint.ErrUnknown)
	if carriedOut {
		b.wantOutcome(t, s, p, batch.Committed)
	} else {
		b.wantOutcome(t, s, p, batch.NotCommitted)
		if err := s.Commit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	b.wantRows(t, map[string]int64{"a": 10})
}

func (b *bench[D]) older(t *testing.T) {
	if b.Copy == nil {
		t.Skip("NOT RUN: this sink's database cannot go back to an older state")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	if err := s.Commit(t.Context(), b.part(10, map[string]int64{"a": 10}, at...)); err != nil {
		t.Fatal(err)
	}
	restore := b.Copy()
	second := b.part(10, map[string]int64{"a": 10}, b.Checkpoints(b.topic.Name)[0])
	if err := s.Commit(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	third := b.part(10, map[string]int64{"a": 10}, b.Checkpoints(b.topic.Name)[0])
	restore()
	b.wantOutcome(t, s, third, batch.Superseded)
	wantClass(t, s.Commit(t.Context(), third), checkpoint.ErrFenced)
	now := b.claim(t, s, 0)
	if now[0].Next != 110 {
		t.Fatalf("claimed at %d, want the older state's 110", now[0].Next)
	}
	if err := s.Commit(t.Context(), b.part(20, map[string]int64{"a": 20}, now...)); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 30})
}

func (b *bench[D]) refused(t *testing.T) {
	if b.Rejected == "" {
		t.Skip("NOT RUN: this sink's database refuses no row")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	err := s.Commit(t.Context(), b.part(3, map[string]int64{"a": 1, b.Rejected: 1, "z": 1}, at...))
	var refused *batch.RejectedRows
	if !errors.As(err, &refused) || len(refused.Rows) != 1 {
		t.Fatalf("error is %v, want one refused row", err)
	}
	if r := refused.Rows[0]; r.Reason == "" || r.Table == "" || len(r.Key) == 0 || r.Until[b.at(0)] != 103 {
		t.Errorf("refused %+v", r)
	}
	b.wantRows(t, map[string]int64{})
	b.wantNext(t, 100, 50, 0)
	p := b.part(3, map[string]int64{"a": 1, "z": 1}, at...)
	p.Advances[0].Audit = checkpoint.Audit{Counted: 2, Dead: 1}
	p.Dead = []batch.DeadLetter{{Partition: b.at(0), Offset: 101, Row: true, Table: refused.Rows[0].Table, Reason: refused.Rows[0].Reason}}
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 1, "z": 1})
}

func (b *bench[D]) together(t *testing.T) {
	writers, parts := b.Writers, 10
	if writers == 0 {
		writers = 4
	}
	b.topic.Starts, b.topic.Firsts = make([]int64, writers), make([]int64, writers)
	s := b.Open()
	var wg sync.WaitGroup
	errs := make(chan error, writers*parts)
	for w := range writers {
		at := b.claim(t, s, int32(w))[0]
		wg.Go(func() {
			for n := range parts {
				p := &batch.TaskBatch[D]{
					ID:    checkpoint.BatchID{byte(w), byte(n), 1},
					Delta: b.Delta(map[string]int64{"a": 1, "b": 2, fmt.Sprint("k", w): 1}),
					Advances: []batch.Advance{{
						Range: checkpoint.Range{Partition: at.Partition, First: at.Next, Next: at.Next + 4},
						Epoch: at.Epoch, Owner: at.Owner, Audit: checkpoint.Audit{Counted: 4},
					}},
				}
				err := s.Commit(context.Background(), p)
				for errors.Is(err, checkpoint.ErrRetry) {
					err = s.Commit(context.Background(), p)
				}
				if err != nil {
					errs <- fmt.Errorf("writer %d part %d: %w", w, n, err)
					return
				}
				at.Next += 4
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	want := map[string]int64{"a": int64(writers * parts), "b": int64(2 * writers * parts)}
	for w := range writers {
		want[fmt.Sprint("k", w)] = int64(parts)
	}
	b.wantRows(t, want)
}
