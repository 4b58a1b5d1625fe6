package flumesink

import "testing"

// P29: the Appender's memory of a request is paid for out of the bytes in flight, and lives until Release.
func TestP29_appendersMemory(t *testing.T) {
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
		t.Fatalf("%d of %d bytes, %v", len(m), cap(m), err)
	}
	if got := a.Used() - before; got != int64(cap(m)) {
		t.Errorf("%d bytes were paid for, want %d", got, cap(m))
	}
	r.Release()
	if got := a.Used(); got != 0 {
		t.Errorf("%d bytes are still paid for", got)
	}
}

// The memory is used again, and costs nothing then but the method values of a request.
func TestFrame_memoryIsUsedAgain(t *testing.T) {
	frames := NewFrames(budget(1 << 20))
	once := func() {
		f, err := frames.Begin(t.Context(), soon(), late(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := f.Memory(60_000); err != nil || cap(m) != 64<<10 {
			t.Fatal(cap(m), err)
		}
		f.Release()
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 1 { // a garbage collection may empty the pool
		t.Errorf("%v allocations a request", n)
	}
}
