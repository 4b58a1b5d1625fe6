package lines

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// A long line that arrives byte by byte is scanned once, not once for each byte, which was the work of 500 GB for 1
// MiB.
func TestReader_longLineByteByByte(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	line := strings.Repeat("x", most-1) + "\n"
	limits := receiver.DefaultLimits("--")
	tooLong := TooLong("--most", most)
	looked := 0
	cut := Newline(most, tooLong)
	r := &Reader{
		in:     bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(line+line)), readAhead),
		limits: &limits, more: NewlineMore(most),
		cut: func(b []byte) ([]byte, []byte, bool, error) {
			looked += len(b)
			return cut(b)
		},
	}
	frames := receiver.NewFrames(receiver.NewAdmission(receiver.DefaultConfig(), nil))
	var bodies []string
	for {
		if err := r.first(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("got %v, expected %v", err, io.EOF)
			}
			break
		}
		f, err := frames.Begin(t.Context(), time.Now(), time.Now().Add(time.Minute), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.fill(f); err != nil {
			t.Fatal(err)
		}
		for _, e := range f.Events {
			bodies = append(bodies, string(e.Body))
		}
		f.Release()
	}
	if len(bodies) != 2 || bodies[0]+"\n" != line || bodies[1] != bodies[0] {
		t.Errorf("%d lines", len(bodies))
	}
	if looked > 2*len(line)+100 {
		t.Errorf("%d bytes were scanned for lines of %d, expected at most %v", looked, 2*len(line), 2*len(line)+100)
	}
}

// Wherever Newline finds a complete or an overlong line, NewlineMore returns true before.
func TestNewlineMore_isTrueBeforeACompleteLine(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		most := 2 + rng.IntN(12)
		b := make([]byte, 1+rng.IntN(20))
		for i := range b {
			b[i] = "\nabc"[rng.IntN(4)]
		}
		cut, more := Newline(most, io.ErrShortBuffer), NewlineMore(most)
		at := rng.IntN(len(b))
		if _, _, ok, err := cut(b[:at]); ok || err != nil {
			continue
		}
		_, _, ok, err := cut(b)
		if got, want := more(b[:at], b[at:]), ok || err != nil; got != want {
			t.Fatalf("%q and %q with %d: %v, expected %v", b[:at], b[at:], most, got, want)
		}
	}
}
