package dedup

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The window against the simplest thing that does the same: a list that is searched.
func TestWindow_model(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Records: rapid.IntRange(1, 40).Draw(t, "records"), Window: time.Duration(rapid.IntRange(1, 50).Draw(t, "window")) * time.Millisecond}
		w := newWindow(c)
		var model []entry
		newest := int64(0)
		at := int64(0)
		for range rapid.IntRange(0, 200).Draw(t, "adds") {
			at += int64(rapid.IntRange(-3, 10).Draw(t, "step"))
			id := ID{byte(rapid.IntRange(0, 30).Draw(t, "id"))}
			newest = max(newest, at)
			for len(model) > 0 && model[0].at < newest-c.Window.Milliseconds() {
				model = model[1:]
			}
			want := !slices.ContainsFunc(model, func(e entry) bool { return e.id == id })
			if want {
				if len(model) == c.Records {
					model = model[1:]
				}
				model = append(model, entry{id, at})
			}
			if got := w.add(id, at); got != want {
				t.Fatalf("id %d at %d: fresh is %v, want %v; the window holds %v", id[0], at, got, want, model)
			}
			if w.n != len(model) || len(w.known) != len(model) || len(w.ring) > max(c.Records, 16) {
				t.Fatalf("%d in the ring of %d, %d known, want %d", w.n, len(w.ring), len(w.known), len(model))
			}
		}
	})
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Header: "id"}).Validate(); err == nil {
		t.Error("a window of nothing was taken")
	}
	c := DefaultConfig()
	c.Header = "id"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
