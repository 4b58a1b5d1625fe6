package batch

import (
	"testing"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// A limiter starts with 10 seconds' worth of tokens, allows its rate from then on, and accumulates no more than it
// started with.
func TestP20_limiterAllowsItsRate(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	l := &limiter{rate: 5}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 50}, {0, 0}, {time.Second, 5}, {1100 * time.Millisecond, 0}, {1200 * time.Millisecond, 1}, {time.Hour, 50}, {time.Hour, 0},
	} {
		got := 0
		for l.allow(start.Add(step.after)) {
			got++
		}
		if got != step.want {
			t.Errorf("after %s it allows %d, expected %d", step.after, got, step.want)
		}
	}
	all := &limiter{}
	for range 1000 {
		if !all.allow(start) {
			t.Fatal("rate 0 does not allow all")
		}
	}
}

// Each partition's first letter is kept, and the kept letters of a partition represent all of its dead records.
func TestP20_sampleRepresentsAll(t *testing.T) {
	t.Parallel()
	s := sample{limiter: &limiter{rate: 1}} // 10 at once
	letters := func(p int32, first, next int64) []DeadLetter {
		n := len(s.kept)
		all := s.kept
		for o := first; o < next; o++ {
			all = append(all, DeadLetter{Partition: checkpoint.Partition{Topic: "t", ID: p}, Offset: o})
		}
		s.add(all, n)
		return s.kept
	}
	letters(0, 0, 12)
	letters(1, 0, 5)
	letters(0, 12, 20)
	letters(2, 7, 8)
	got := s.take()
	if len(got) != 12 || notStored(got) != 14 {
		t.Fatalf("%d letters, %d not stored, expected 12 and 14: %+v", len(got), notStored(got), got)
	}
	for i, want := range []struct {
		partition       int32
		offset, records int64
	}{
		{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}, {0, 5, 1}, {0, 6, 1}, {0, 7, 1}, {0, 8, 1},
		{0, 9, 11}, {1, 0, 5}, {2, 7, 1},
	} {
		if d := got[i]; d.ID != want.partition || d.Offset != want.offset || d.Records != want.records {
			t.Errorf("letter %d is %+v, expected %+v", i, d, want)
		}
	}
	if len(s.take()) != 0 {
		t.Error("a letter is handed over twice")
	}
	if got := letters(0, 20, 23); len(got) != 1 || got[0].Offset != 20 || got[0].Records != 3 {
		t.Errorf("the next batch begins with %+v; expected 1 sample at offset 20 with 3 records", got)
	}
}
