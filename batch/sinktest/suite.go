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

// Harness is a fresh database, and how the suite uses it. A function that is nil means that this sink does not support
// that; the tests that need it are then reported as not run.
type Harness[D any] struct {
	// Open returns another process of the same job.
	Open func() batch.Sink[D]
	// OpenQuery returns another process of the same job with another query.
	OpenQuery func() batch.Sink[D]
	// Delta returns rows that add these counts to their keys.
	Delta func(counts map[string]int64) D
	// Rows reads what was added, by key.
	Rows func() map[string]int64
	// Checkpoints reads all checkpoints of a topic, in order.
	Checkpoints func(topic string) []checkpoint.Checkpoint
	// DeadLetters counts dead letters.
	DeadLetters func() int
	// Delete removes a checkpoint.
	Delete func(checkpoint.Partition)
	// Lose has the reply to the next COMMIT be lost: before it was applied, or after.
	Lose func(applied bool)
	// Copy copies the state of the database, and returns a function that restores it.
	Copy func() (restore func())
	// Rejected is a key that the database rejects, empty if there is none.
	Rejected string
	// Writers is how many tasks the suite runs at once; 0 means 4.
	Writers int
}

// Run tests that a sink implements the protocol. open creates a fresh database for each test.
func Run[D any](t *testing.T, open func(t *testing.T) Harness[D]) {
	for _, test := range []struct {
		name string
		run  func(*bench[D], *testing.T)
	}{
		{"P5_firstClaimFixesEveryStart", (*bench[D]).firstClaim},
		{"P7_claimFencesTheOwnerBefore", (*bench[D]).claimFences},
		{"P9_commitMovesRowsAndCheckpoint", (*bench[D]).commits},
		{"P9_secondCommitOfATaskBatchIsFenced", (*bench[D]).commitsOnce},
		{"P13_oneFenceStopsTheWholeTaskBatch", (*bench[D]).partialFence},
		{"P4_otherTopicChangesNothing", (*bench[D]).otherTopic},
		{"P2_otherQueryChangesNothing", (*bench[D]).otherQuery},
		{"P3_heldCheckpointLost", (*bench[D]).checkpointLost},
		{"P12_outcomesOfResolve", (*bench[D]).outcomes},
		{"P12_checkOfUnchangedCheckpoints", (*bench[D]).unchanged},
		{"P12_lostBeforeCommit", func(b *bench[D], t *testing.T) { b.lost(t, false) }},
		{"P12_lostAfterCommit", func(b *bench[D], t *testing.T) { b.lost(t, true) }},
		{"P12_olderState", (*bench[D]).older},
		{"P18_rejectedRowsAreNamed", (*bench[D]).rejected},
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
			t.Fatalf("claim: %v, expected %v", err, checkpoint.ErrRetry)
		}
	}
}

// taskBatch advances each checkpoint by n offsets, all counted.
func (b *bench[D]) taskBatch(n int64, counts map[string]int64, from ...checkpoint.Checkpoint) *batch.TaskBatch[D] {
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
		t.Errorf("rows (-expected +got):\n%s", d)
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
		t.Errorf("next offsets (-expected +got):\n%s", d)
	}
}

func wantClass(t *testing.T, err, class error, partitions ...checkpoint.Partition) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Fatalf("error is %v, expected class %v", err, class)
	}
	var e *checkpoint.Error
	if errors.As(err, &e) && partitions != nil {
		if d := cmp.Diff(partitions, e.Partitions); d != "" {
			t.Errorf("partitions of the error (-expected +got):\n%s", d)
		}
	}
}

func (b *bench[D]) at(id int32) checkpoint.Partition {
	return checkpoint.Partition{Topic: b.topic.Name, ID: id}
}

func (b *bench[D]) firstClaim(t *testing.T) {
	got := b.claim(t, b.Open(), 0, 2)
	if len(got) != 2 || got[0].Next != 100 || got[1].Next != 0 || got[0].Epoch != 1 || got[0].LeaderEpoch != -1 {
		t.Fatalf("claimed %+v; expected 2 elements, got[0].Next 100, got[1].Next 0, got[0].Epoch 1 and got[0].LeaderEpoch -1", got)
	}
	if got[0].Owner == (checkpoint.Owner{}) || got[0].Owner != got[1].Owner || got[0].TopicID != b.topic.ID {
		t.Errorf("claimed %+v, expected one new owner and topic ID %s for both partitions", got, b.topic.ID)
	}
	b.wantNext(t, 100, 50, 0) // partition 1 too, which is not claimed
	if c := b.Checkpoints(b.topic.Name)[1]; c.Epoch != 0 || c.Owner != (checkpoint.Owner{}) {
		t.Errorf("unclaimed partition: %+v; expected Epoch 0 and Owner %v", c, (checkpoint.Owner{}))
	}
	// The log has grown, and a partition was added.
	b.topic.Starts, b.topic.Firsts = []int64{900, 900, 900, 900}, []int64{0, 0, 0, 3}
	got = b.claim(t, b.Open(), 1, 3)
	if got[0].Next != 50 || got[1].Next != 3 || got[1].First != 3 {
		t.Errorf("claimed %+v, expected partition 1 at 50 and partition 3 at its first record", got)
	}
}

func (b *bench[D]) claimFences(t *testing.T) {
	s1, s2 := b.Open(), b.Open()
	old := b.claim(t, s1, 0)
	now := b.claim(t, s2, 0)
	if now[0].Epoch != old[0].Epoch+1 || now[0].Owner == old[0].Owner {
		t.Fatalf("second claim %+v after %+v, expected the next epoch and another owner", now, old)
	}
	err := s1.Commit(t.Context(), b.taskBatch(10, map[string]int64{"a": 10}, old...))
	wantClass(t, err, checkpoint.ErrFenced, b.at(0))
	b.wantRows(t, map[string]int64{})
	if err := s2.Commit(t.Context(), b.taskBatch(5, map[string]int64{"a": 5}, now...)); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 5})
}

func (b *bench[D]) commits(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	p := b.taskBatch(6, map[string]int64{"a": 4, "b": 3}, at...)
	p.Advances[1].Audit = checkpoint.Audit{Counted: 1, Filtered: 1, Dead: 1, Gaps: 1, Duplicates: 1, Skipped: 1}
	p.Dead = []batch.DeadLetter{{Partition: b.at(1), Offset: 52, Statement: -1, Reason: "no word", Value: []byte{0xff, 0, '\''}, Length: 3}}
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 4, "b": 3})
	b.wantNext(t, 106, 56, 0)
	c := b.Checkpoints(b.topic.Name)[1]
	if c.Audit != p.Advances[1].Audit || c.LeaderEpoch != 7 || c.Batch != p.ID || c.First != 50 {
		t.Errorf("checkpoint %+v, expected audit, leader epoch and batch ID of %+v, and first offset 50", c, p)
	}
	if n := b.DeadLetters(); n != 1 {
		t.Errorf("%d dead letters, expected 1", n)
	}
	p = b.taskBatch(4, map[string]int64{"a": 1}, b.Checkpoints(b.topic.Name)[0])
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 5, "b": 3})
}

func (b *bench[D]) commitsOnce(t *testing.T) {
	s := b.Open()
	p := b.taskBatch(10, map[string]int64{"a": 10}, b.claim(t, s, 0)...)
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
	wantClass(t, s1.Commit(t.Context(), b.taskBatch(10, map[string]int64{"a": 20}, at...)), checkpoint.ErrFenced, b.at(1))
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
	if err := s.Commit(t.Context(), b.taskBatch(1, map[string]int64{"a": 1}, at...)); err != nil {
		t.Errorf("the owner cannot commit: %v", err)
	}
}

func (b *bench[D]) otherQuery(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0)
	_, err := b.OpenQuery().Claim(t.Context(), b.topic, []int32{0})
	wantClass(t, err, checkpoint.ErrRefused, b.at(0))
	if err := s.Commit(t.Context(), b.taskBatch(1, map[string]int64{"a": 1}, at...)); err != nil {
		t.Errorf("the owner cannot commit: %v", err)
	}
}

func (b *bench[D]) checkpointLost(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	b.Delete(b.at(0))
	wantClass(t, s.Commit(t.Context(), b.taskBatch(1, map[string]int64{"a": 2}, at...)), checkpoint.ErrCheckpointLost, b.at(0))
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
				t.Errorf("outcome %d, expected %d", got, want)
			}
			return
		}
		if !errors.Is(err, checkpoint.ErrRetry) || ctx.Err() != nil {
			t.Fatalf("resolve: %v, expected %v", err, checkpoint.ErrRetry)
		}
	}
}

func (b *bench[D]) outcomes(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	p := b.taskBatch(10, map[string]int64{"a": 20}, at...)
	b.wantOutcome(t, s, p, batch.NotCommitted)
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantOutcome(t, s, p, batch.Committed)
	b.claim(t, b.Open(), 1)
	b.wantOutcome(t, s, p, batch.Superseded)
	b.wantRows(t, map[string]int64{"a": 20})
}

// A task checks whether its checkpoints are unchanged, with empty ranges and without a batch. Some of its partitions
// have had a batch, some have not.
func (b *bench[D]) unchanged(t *testing.T) {
	s := b.Open()
	at := b.claim(t, s, 0, 1)
	if err := s.Commit(t.Context(), b.taskBatch(10, map[string]int64{"a": 10}, at[0])); err != nil {
		t.Fatal(err)
	}
	var advances []batch.Advance
	for i, c := range at {
		next := c.Next
		if i == 0 {
			next += 10
		}
		advances = append(advances, batch.Advance{
			Range: checkpoint.Range{Partition: c.Partition, First: next, Next: next}, Epoch: c.Epoch, Owner: c.Owner,
		})
	}
	check := func() batch.Outcome {
		got, err := s.Resolve(t.Context(), checkpoint.BatchID{}, advances)
		if err != nil {
			t.Fatalf("resolve: %v", err)
		}
		return got
	}
	if got := check(); got == batch.Superseded {
		t.Error("unchanged checkpoints: got Superseded")
	}
	advances[0].First, advances[0].Next = advances[0].First+1, advances[0].Next+1
	if got := check(); got != batch.Superseded {
		t.Errorf("a checkpoint below its advance: outcome %d, expected Superseded", got)
	}
}

func (b *bench[D]) lost(t *testing.T, applied bool) {
	if b.Lose == nil {
		t.Skip("NOT RUN: this sink has no way to lose a reply")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	p := b.taskBatch(10, map[string]int64{"a": 10}, at...)
	b.Lose(applied)
	wantClass(t, s.Commit(t.Context(), p), checkpoint.ErrUnknown)
	if applied {
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
		t.Skip("NOT RUN: this sink's database cannot be restored to an older state")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	if err := s.Commit(t.Context(), b.taskBatch(10, map[string]int64{"a": 10}, at...)); err != nil {
		t.Fatal(err)
	}
	restore := b.Copy()
	second := b.taskBatch(10, map[string]int64{"a": 10}, b.Checkpoints(b.topic.Name)[0])
	if err := s.Commit(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	third := b.taskBatch(10, map[string]int64{"a": 10}, b.Checkpoints(b.topic.Name)[0])
	restore()
	b.wantOutcome(t, s, third, batch.Superseded)
	wantClass(t, s.Commit(t.Context(), third), checkpoint.ErrFenced)
	now := b.claim(t, s, 0)
	if now[0].Next != 110 {
		t.Fatalf("claimed at %d, expected the older state's 110", now[0].Next)
	}
	if err := s.Commit(t.Context(), b.taskBatch(20, map[string]int64{"a": 20}, now...)); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 30})
}

func (b *bench[D]) rejected(t *testing.T) {
	if b.Rejected == "" {
		t.Skip("NOT RUN: this sink's database rejects no row")
	}
	s := b.Open()
	at := b.claim(t, s, 0)
	err := s.Commit(t.Context(), b.taskBatch(3, map[string]int64{"a": 1, b.Rejected: 1, "z": 1}, at...))
	var rejected *batch.RejectedRows
	if !errors.As(err, &rejected) || len(rejected.Rows) != 1 {
		t.Fatalf("error is %v, expected one rejected row", err)
	}
	if r := rejected.Rows[0]; r.Reason == "" || r.Table == "" || len(r.Key) == 0 || r.Until[b.at(0)] != 103 {
		t.Errorf("rejected %+v; expected Reason other than an empty text, Table other than an empty text, Key with elements and Until[b.at(0)] 103", r)
	}
	b.wantRows(t, map[string]int64{})
	b.wantNext(t, 100, 50, 0)
	p := b.taskBatch(3, map[string]int64{"a": 1, "z": 1}, at...)
	p.Advances[0].Audit = checkpoint.Audit{Counted: 2, Dead: 1}
	p.Dead = []batch.DeadLetter{{Partition: b.at(0), Offset: 101, Row: true, Table: rejected.Rows[0].Table, Reason: rejected.Rows[0].Reason}}
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.wantRows(t, map[string]int64{"a": 1, "z": 1})
}

func (b *bench[D]) together(t *testing.T) {
	writers, batches := b.Writers, 10
	if writers == 0 {
		writers = 4
	}
	b.topic.Starts, b.topic.Firsts = make([]int64, writers), make([]int64, writers)
	s := b.Open()
	var wg sync.WaitGroup
	errs := make(chan error, writers*batches)
	for w := range writers {
		at := b.claim(t, s, int32(w))[0]
		wg.Go(func() {
			for n := range batches {
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
					errs <- fmt.Errorf("writer %d task batch %d: %w", w, n, err)
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
	want := map[string]int64{"a": int64(writers * batches), "b": int64(2 * writers * batches)}
	for w := range writers {
		want[fmt.Sprint("k", w)] = int64(batches)
	}
	b.wantRows(t, want)
}
