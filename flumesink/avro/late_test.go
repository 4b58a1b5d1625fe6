package avro

import (
	"net"
	"testing"
	"time"
)

// A request that became too old on its way to the Appender, waiting for memory or for the processor, is not produced.
func TestP23_tooOldIsNeverProduced(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	for _, tc := range []struct {
		age  time.Duration
		want int
	}{{g.r.cfg.AckTimeout, 0}, {0, 1}} {
		ours, theirs := net.Pipe()
		go func() { _, _ = theirs.Read(make([]byte, 100)) }()
		c := &conn{r: g.r, nc: ours, gone: func() bool { return false }, work: t.Context(), cancel: func() {}}
		f, err := g.r.buffers.begin(t.Context(), &g.r.cfg, g.admission, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		f.deadline = f.deadline.Add(-tc.age)
		f.events = append(f.events[:0], events("x")...)
		c.append(f, nil)
		if n := len(k.got()); n != tc.want {
			t.Errorf("%d events produced of a request %s old, want %d", n, tc.age, tc.want)
		}
		c.close()
		theirs.Close()
	}
	g.refused(reasonLate, 1)
}
