package dedup

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The window behaves as the simplest implementation: a list that is searched.
func TestWindow_model(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Records: rapid.IntRange(1, 40).Draw(t, "records"), Window: time.Duration(rapid.IntRange(1, 50).Draw(t, "window")) * time.Millisecond}
		w := newWindow(c)
		var model []entry
		at := int64(0)
		for range rapid.IntRange(0, 200).Draw(t, "adds") {
			at += int64(rapid.IntRange(-3, 10).Draw(t, "step"))
			id := ID{byte(rapid.IntRange(0, 30).Draw(t, "id"))}
			now := at
			if rapid.IntRange(0, 30).Draw(t, "ahead") == 0 { // of a producer whose clock is wrong
				now += 1000
			}
			for len(model) > 0 && model[0].at < now-c.Window.Milliseconds() {
				model = model[1:]
			}
			want := !slices.ContainsFunc(model, func(e entry) bool { return e.id == id })
			if want {
				if len(model) == c.Records {
					model = model[1:]
				}
				model = append(model, entry{id, now})
			}
			if got := w.add(id, now); got != want {
				t.Fatalf("id %d at %d: fresh is %v, expected %v; the window holds %v", id[0], now, got, want, model)
			}
			if w.n != len(model) || len(w.known) != len(model) || len(w.ring) > max(c.Records, 16) {
				t.Fatalf("%d in the ring of %d, %d known, expected %d", w.n, len(w.ring), len(w.known), len(model))
			}
		}
	})
}

// A record from the future ends what was remembered before it once, and duplicates of what comes after it are detected.
func TestWindow_recordFromTheFuture(t *testing.T) {
	t.Parallel()
	w := newWindow(Config{Records: 10, Window: time.Second})
	w.add(ID{1}, 0)
	w.add(ID{2}, 1_000_000)
	for i := range byte(50) {
		now := int64(i) * 10
		if !w.add(ID{3, i}, now) {
			t.Fatalf("%d is new", i)
		}
		if w.add(ID{3, i}, now) || i > 0 && w.add(ID{3, i - 1}, now) {
			t.Fatalf("a duplicate of %d or of the one before it is new", i)
		}
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Header: "id"}).Validate(); err == nil {
		t.Error("an empty window was accepted")
	}
	c := DefaultConfig()
	c.Header = "id"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
