package format

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLogfmt_lines(t *testing.T) {
	t.Parallel()
	testBodies(t, "logfmt", "", []bodyCase{
		{"a b", `a=1 b="x y"`, "1|x y"},
		{"a b c d", `a= b="" c d=`, "|||"},
		{"a b missing A", `a b=1`, "|1|NULL|NULL"},
		{"a", `a=1 a=2`, "1"},
		{"a", `a a=2`, ""},
		{"http.status http/status", `http.status=200`, "200|200"},
		{"a", `a="say \"hi\" \\ \/ \t\n\x41\u0042\U0001F600 \ud83d\ude00"`, "say \"hi\" \\ / \t\nAB😀 😀"},
		{"ƒ r", "ƒ=2h3s\t r=\"é\"  ", "2h3s|é"},
		{"msg", "a=1 msg=it's", "it's"},
		{"msg x", `msg='a x='`, "'a|'"},
		{"msg", `msg='a b'`, "!" + expectedName + " (at byte 9 of 9)"},
		{"a b", "a=1 b=2\r\n\n  \na=3 b=4\n", "1|2 // 3|4"},
		{"a", `a="\x41"` + "\n" + `a="\x42"`, "A // B"},
		{"a", "a=1\nplain text", "!" + expectedPair},
		{"a", "", "!the line is empty"},
		{"a", "2015/05/17 10:05:03 server started", "!" + expectedPair + " (at byte 1 of 34)"},
		{"a", "a==", "!" + expectedBare + " (at byte 3 of 3)"},
		{"a", "path=/x?q=1", "!" + expectedBare + " (at byte 10 of 11)"},
		{"a", `a=b"c`, "!" + expectedBare},
		{"a", "=b", "!" + expectedName + " (at byte 1 of 2)"},
		{"a", "k=b =ar", "!" + expectedName},
		{"a", `"k"=b`, "!" + expectedName},
		{"a", `k"ey=b`, "!" + expectedName + " (at byte 2 of 6)"},
		{"a", `a=1 it's`, "!" + expectedName},
		{"a", `{"a":1}`, "!" + expectedName},
		{"a", `a="1`, "!" + expectedQuote},
		{"a", `a="1\`, "!" + expectedQuote},
		{"a", `a="1\"`, "!" + expectedQuote},
		{"a", `a="1"b=2`, "!" + expectedAfter + " (at byte 6 of 8)"},
		{"a", `a="\u1"`, "!" + expectedEscape + " (at byte 4 of 7)"},
		{"a", `a="\q"`, "!" + expectedEscape},
		{"a", `a="\ud83d"`, "!" + expectedEscape},
		{"a", `a="\ud83d\u0041"`, "!" + expectedEscape},
		{"b", `a="\q" b=1`, "!" + expectedEscape},
		{"a", "\x80=b", "!" + expectedUTF8},
		{"a", "a=\xff", "\xff"},
	})
}

// The time to read a line grows in proportion to its length, however many escapes a value has.
func TestLogfmt_timeIsLinear(t *testing.T) {
	t.Parallel()
	r := newReader(t, "logfmt", "", "msg")
	duration := func(escapes int) time.Duration {
		line := []byte(`msg="` + strings.Repeat(`\n`, escapes) + `"`)
		shortest := time.Hour
		for range 5 {
			began := time.Now()
			if _, err := r.read(line); err != nil {
				t.Fatalf("%d escapes: got the error %v, expected none", escapes, err)
			}
			shortest = min(shortest, time.Since(began))
		}
		return shortest
	}
	const growth = 64
	if short, long := duration(1<<12), duration(growth<<12); long > 4*growth*short {
		t.Errorf("a line that is %d times as long took %v instead of %v, expected at most %d times as long", growth, long, short, 4*growth)
	}
}

var referencePair = regexp.MustCompile(`(?s)^[\x00-\x20]*([^\x00-\x20="']+)(=(?:"((?:[^"\\]|\\.)*)"|([^\x00-\x20="]*)))?(?:[\x00-\x20]|$)`)

// referenceLogfmt reads a line by a regular expression. escapes holds the names of values with escapes, which are left.
func referenceLogfmt(line []byte) (fields map[string]string, escapes map[string]bool, ok bool) {
	fields, escapes = map[string]string{}, map[string]bool{}
	pairs := 0
	for len(bytes.TrimLeft(line, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")) > 0 {
		m := referencePair.FindSubmatch(line)
		if m == nil || !utf8.Valid(m[1]) {
			return nil, nil, false
		}
		line = line[len(m[0]):]
		if m[2] != nil {
			pairs++
		}
		if bytes.IndexByte(m[3], '\\') >= 0 {
			escapes[string(m[1])] = true
		}
		if _, twice := fields[string(m[1])]; !twice {
			fields[string(m[1])] = string(m[3]) + string(m[4])
		}
	}
	return fields, escapes, pairs > 0
}

func FuzzLogfmt(f *testing.F) {
	for _, s := range []string{`a=1 b="x \"y\"" c d= e='z' a=2`, `a="\ud83d\ude00\x41"`, "a=b=c", `a"b`, "\xff=1", "a='\"' b=it's", "plain", `a="1"b=2`, "a=1\t\x00b=2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		want, escapes, ok := referenceLogfmt(line)
		names := []string{"a", "b", "c"}
		for name := range want {
			if !strings.Contains(name, "/") {
				names = append(names, name)
			}
		}
		r := newReader(t, "logfmt", "", names...)
		err := r.parser.(*lineParser).line(&r.fields, line)
		if err != nil && ok && len(escapes) > 0 && strings.HasPrefix(err.Error(), expectedEscape) {
			return
		}
		if (err == nil) != ok {
			t.Fatalf("%q: got the error %v, expected one: %v", line, err, !ok)
		}
		if err != nil {
			return
		}
		for i, name := range names {
			v := r.fields.Values[r.columns[i].Slot]
			w, has := want[name]
			if escapes[name] {
				continue
			}
			if v.Set != has || string(v.Bytes) != w {
				t.Fatalf("%q: %s is %q (set: %v), expected %q (set: %v)", line, name, v.Bytes, v.Set, w, has)
			}
		}
	})
}

// What strconv.Unquote and encoding/json read, appendUnescaped reads too, and it yields the same text. What neither
// reads is an error.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{`a\"b`, `\x41\a\v`, `\u0041\/`, `\ud83d\ude00`, `\U0001F600`, `\q`, `\`, `\ud83d`, `\u12`, "\t", `\'`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, bad := appendUnescaped(nil, text)
		quoted := `"` + string(text) + `"`
		if bad >= 0 && text[bad] != '\\' {
			t.Errorf("%q: the bad escape at %d is not a backslash", text, bad)
		}
		if !utf8.Valid(text) {
			return // both replace such bytes
		}
		if want, err := strconv.Unquote(quoted); err == nil && !regexp.MustCompile(`\\[0-7]`).Match(text) && (bad >= 0 || string(got) != want) {
			t.Errorf("%q: got %q, bad escape at %d, expected %q as strconv reads it", text, got, bad, want)
		}
		var want string
		if err := json.Unmarshal([]byte(quoted), &want); err == nil && !strings.Contains(want, "\ufffd") && (bad >= 0 || string(got) != want) {
			t.Errorf("%q: got %q, bad escape at %d, expected %q as JSON", text, got, bad, want)
		}
	})
}

// What the text handler of log/slog writes is read as it was logged.
func TestLogfmt_readsSlog(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	letters := []rune("ab= \"'\\\n\t\x00\x1b\u00e9\u2028😀\x7f{}/")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	r := newReader(t, "logfmt", "", "level", "msg", "k", "g.k", "none")
	for range 20_000 {
		var texts [3]string
		for i := range texts {
			for range rng.IntN(8) {
				texts[i] += string(letters[rng.IntN(len(letters))])
			}
		}
		out.Reset()
		log.Warn(texts[0], "k", texts[1], slog.Group("g", "k", texts[2])) //nolint:sloglint // any text is a message here
		rows, err := r.read(out.Bytes())
		if d := difference(rows, [][]string{{"WARN", texts[0], texts[1], texts[2], "NULL"}}); d != "" || err != nil {
			t.Fatalf("%s: %s, error %v", out.Bytes(), d, err)
		}
	}
}
