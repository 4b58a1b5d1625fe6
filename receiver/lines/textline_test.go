package lines

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines splits b into complete lines and the rest.
func lines(b []byte) (all []string, rest string) {
	for {
		end, next, ok := CutLine(b)
		if !ok {
			return all, string(b)
		}
		all = append(all, string(b[:end]))
		b = b[next:]
	}
}

func TestCutLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
		rest string
	}{
		{"", nil, ""},
		{"a", nil, "a"},
		{"a\n", []string{"a"}, ""},
		{"a\r", []string{"a"}, ""},
		{"a\r\nb\rc\nd", []string{"a", "b", "c"}, "d"},
		{"\n\r\r\n\n\r", []string{"", "", "", "", ""}, ""},
		{"ä\u2028b\x00\xff\n", []string{"ä\u2028b\x00\xff"}, ""},
	} {
		got, rest := lines([]byte(c.text))
		if d := cmp.Diff(c.want, got); d != "" || rest != c.rest {
			t.Errorf("%q: rest %q, %s", c.text, rest, d)
		}
	}
}

// FuzzCutLine compares CutLine with a replacement of line ends, wherever the text is split in two.
func FuzzCutLine(f *testing.F) {
	for _, s := range []string{"a\r\nb\rc\nd", "\r\n\r\n", "\n\r", "\r\r\n", "x"} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 2)
	}
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		want := strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\r", "\n"), "\n")
		at = max(0, min(at, len(b)))
		first, rest := lines(b[:at])
		second := b[at:]
		if rest == "" && EndsWithCR(b[:at]) {
			second = bytes.TrimPrefix(second, []byte("\n"))
		}
		more, last := lines(append([]byte(rest), second...))
		if d := cmp.Diff(want, append(append(first, more...), last)); d != "" {
			t.Fatalf("%q in two at %d: %s", b, at, d)
		}
	})
}

func BenchmarkCutLine(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 120)+"\n", 1000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		for rest := text; ; n++ {
			_, next, ok := CutLine(rest)
			if !ok {
				break
			}
			rest = rest[next:]
		}
	}
	if n != 1000 {
		b.Fatalf("%d lines, expected 1000", n)
	}
}
