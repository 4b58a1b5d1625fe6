package socket

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzCutter compares the cutter with a replacement of line ends, in whatever pieces the text arrives.
func FuzzCutter(f *testing.F) {
	for _, s := range []string{"a\r\nb\rc\nd", "\r\n\r\n", "\n\r", "long line\r\nx\n", "long\n\n"} {
		for size := 1; size < 4; size++ {
			f.Add([]byte(s), size, 4)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, size, limit int) {
		size, limit = max(size, 1), max(limit, 1)
		all := strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\r", "\n"), "\n")
		var want, got []string
		wantLong, long := 0, 0
		for _, line := range all[:len(all)-1] {
			if len(line) > limit {
				wantLong++
			} else {
				want = append(want, line)
			}
		}
		c := cutter{limit: limit}
		for rest := b; len(rest) > 0; {
			n := min(size, len(rest))
			if err := c.add(rest[:n], func(l []byte) error { got = append(got, string(l)); return nil }, func() { long++ }); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if len(c.rest) > limit {
				t.Fatalf("%d bytes kept, expected at most %v", len(c.rest), limit)
			}
		}
		if d := cmp.Diff(want, got); d != "" || long != wantLong || c.unfinished() != (all[len(all)-1] != "") {
			t.Fatalf("%q in pieces of %d: %d too long, expected %d; %s", b, size, long, wantLong, d)
		}
	})
}

func BenchmarkCutter(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 120)+"\n", 500) + "unfinished")
	c := cutter{limit: 1 << 20}
	n := 0
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		if err := c.add(text, func([]byte) error { n++; return nil }, func() { b.Fatal("too long") }); err != nil {
			b.Fatal(err)
		}
		rounds++
	}
	if n != 500*rounds {
		b.Fatalf("%d lines in %d rounds, expected %v", n, rounds, 500*rounds)
	}
}
