package obs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(time.Minute), time.Now()
	for _, c := range []struct {
		kind    string
		after   time.Duration
		ok      bool
		dropped int
	}{
		{"a", 0, true, 0}, {"a", time.Second, false, 0}, {"b", time.Second, true, 0}, {"a", 59 * time.Second, false, 0},
		{"a", time.Minute, true, 2}, {"a", 2 * time.Minute, true, 0},
	} {
		if ok, dropped := th.Allow(c.kind, now.Add(c.after)); ok != c.ok || dropped != c.dropped {
			t.Errorf("%s after %s: got %v, %d, expected %v, %d", c.kind, c.after, ok, dropped, c.ok, c.dropped)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	if !Wait(ctx, time.Millisecond) {
		t.Error("the wait was ended, expected it to last")
	}
	cancel()
	if Wait(ctx, time.Hour) {
		t.Error("the wait lasted, expected it to end with the context")
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, calls := time.Now(), 0
		Every(ctx, time.Minute, func() {
			calls++
			if after := time.Since(began); after != time.Duration(calls)*time.Minute {
				t.Errorf("call %d came after %s, expected %d min", calls, after, calls)
			}
			if calls == 3 {
				cancel()
			}
		})
		if calls != 3 {
			t.Errorf("%d calls, expected 3: none may begin after the context is done", calls)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	first, longest := 100*time.Millisecond, time.Second
	for range 50 {
		b := NewBackoff(first, longest)
		for n, about := range []time.Duration{100, 150, 225, 337, 506, 759, 1000, 1000} {
			about *= time.Millisecond
			for _, d := range []time.Duration{b.Next(), Pause(n+1, first, longest)} {
				if d < about/2 || d > about*3/2+time.Millisecond {
					t.Errorf("pause %d: got %s, expected %s to %s", n+1, d, about/2, about*3/2)
				}
			}
		}
		b.Reset()
		if d := b.Next(); d > first*3/2 {
			t.Errorf("after Reset: got %s, expected at most %s", d, first*3/2)
		}
		if d := Pause(1_000_000, first, longest); d < longest/2 || d > longest*3/2 {
			t.Errorf("pause 1,000,000: got %s, expected %s to %s", d, longest/2, longest*3/2)
		}
	}
}
