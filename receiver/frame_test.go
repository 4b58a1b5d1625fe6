package receiver

import (
	"errors"
	"testing"
)

// P29: the Appender's memory of a request is charged to the bytes in flight, and valid until Release.
func TestP29_appenderMemoryIsCharged(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	a := budget(limit)
	frames := NewFrames(a)
	f, err := frames.Begin(t.Context(), soon(), late(), 0)
	if err != nil {
		t.Fatal(err)
	}
	before := a.Used()
	r := f.Request(nil)
	m, err := r.Memory(5000)
	if err != nil || len(m) != 0 || cap(m) < 5000 {
		t.Fatalf("%d of %d bytes, %v; expected 0, at least 5000 and no error", len(m), cap(m), err)
	}
	if got := a.Used() - before; got != int64(cap(m)) {
		t.Errorf("%d bytes were charged, expected %d", got, cap(m))
	}
	r.Release()
	if got := a.Used(); got != 0 {
		t.Errorf("%d bytes are still charged, expected 0", got)
	}
}

// The memory is reused: a request then allocates only its method values.
func TestFrame_memoryIsReused(t *testing.T) {
	frames := NewFrames(budget(1 << 20))
	once := func() {
		f, err := frames.Begin(t.Context(), soon(), late(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := f.Memory(60_000); err != nil || cap(m) != 64<<10 {
			t.Fatalf("got %v, %v; expected %v and no error", cap(m), err, 64<<10)
		}
		f.Release()
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 1 { // a garbage collection may empty the pool
		t.Errorf("%v allocations a request, expected at most 1", n)
	}
}

// Header slots that events are views of stay charged after Headers has moved to larger ones, and a reused frame holds
// none of them.
func TestFrame_headersAfterGrowth(t *testing.T) {
	t.Parallel()
	a := budget(64 << 20)
	frames := NewFrames(a)
	f, err := frames.Begin(t.Context(), soon(), late(), 0)
	if err != nil {
		t.Fatal(err)
	}
	start := a.Used()
	seen := map[*Header]int{} // live slots, by the first of each block
	const each = 100
	for range 1000 {
		if err := errors.Join(f.GrowHeaders(each), f.GrowEvents()); err != nil {
			t.Fatal(err)
		}
		n := len(f.Headers)
		f.Headers = f.Headers[:n+each]
		seen[&f.Headers[0]] = cap(f.Headers)
		f.Events = append(f.Events, Event{Headers: f.Headers[n : n+each : n+each]})
	}
	alive := cap(f.Events) * eventSize
	for _, slots := range seen {
		alive += slots * headerSize
	}
	if paid := int(a.Used() - start); paid < alive || paid > 2*alive {
		t.Errorf("%d bytes are charged, %d are in use, expected at most %v", paid, alive, 2*alive)
	}
	events := f.Events
	f.Release()
	for i := range events {
		if events[i].Headers != nil {
			t.Fatalf("event %d of a released frame holds its headers", i)
		}
	}
}
