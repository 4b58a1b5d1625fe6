package syslog

import (
	"math/rand/v2"
	"testing"
)

// Wherever there is a complete message, more returns true before, and for a long one only once, not for each byte.
func TestCutter_moreIsTrueBeforeACompleteMessage(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	inputs := []string{"<1>", "12 <1>", "3 <2>", "\n", "x", "y", " ", "9", "\r\n", "1234567 <1>"}
	for range 50_000 {
		var b []byte
		for range 1 + rng.IntN(12) {
			b = append(b, inputs[rng.IntN(len(inputs))]...)
		}
		c := cutter{most: 1 + rng.IntN(30), left: rng.IntN(2) * rng.IntN(40)}
		at := rng.IntN(len(b))
		before, after := c, c
		if _, _, ok := before.cut(b[:at]); ok || before != c {
			continue
		}
		_, _, ok := after.cut(b)
		if got := c.more(b[:at], b[at:]); ok && !got || got && !ok && at >= longestHead {
			t.Fatalf("%q and %q with %+v: more is %v, and whole %v", b[:at], b[at:], c, got, ok)
		}
	}
}
