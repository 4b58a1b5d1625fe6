package quote

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "",
		"größe 日本 👩‍👩‍👧 \u00ad é e\u0301": "größe 日本 👩‍👩‍👧 \u00ad é e\u0301",
		`a\b "c"`:                                `a\b "c"`,
		"\x1b]0;title\x07\x1b[2J":                `\x1b]0;title\x07\x1b[2J`,
		"a\r\nb\tc\x00\x7f":                      `a\r\nb\tc\x00\x7f`,
		"\u009b2J\u0085":                         `\u009b2J\u0085`, // C1 as UTF-8
		"\x9b2J\xff":                             `\x9b2J\xff`,     // and as bytes
		"\xe2\x80":                               `\xe2\x80`,
		"\ufffd":                                 "\ufffd", // one that was there
		"a\u202eb\u2066\u2069\u200e\u200f\u061c": `a\u202eb\u2066\u2069\u200e\u200f\u061c`,
		"\u2028\u2029\ufeff\u200b\U000e0041":     `\u2028\u2029\ufeff\u200b\U000e0041`,
		"\xed\xa0\x80":                           `\xed\xa0\x80`, // half a surrogate pair
	} {
		if got := Text(s); got != want {
			t.Errorf("%q: got %s, expected %s", s, got, want)
		}
		if Needed(s) != (Text(s) != s) {
			t.Errorf("%q: Needed is %v, expected %v", s, Needed(s), (Text(s) != s))
		}
	}
	if got, want := Lines("a\n\tb\r\n\x1b"), "a\n\tb\\r\n\\x1b"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// A line of JSON says the same afterwards.
func TestWriter(t *testing.T) {
	t.Parallel()
	value := "a\u009b\u202e\x7f\U000e0041\u2028b"
	line := `{"v":"` + value + "\"}\n"
	var out bytes.Buffer
	n, err := Writer(&out).Write([]byte(line))
	if err != nil || n != len(line) {
		t.Errorf("got %d, %v, expected %d", n, err, len(line))
	}
	if text := strings.TrimSuffix(out.String(), "\n"); Needed(text) {
		t.Errorf("got %q, expected no character that needs quoting", text)
	}
	var got struct{ V string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.V != value {
		t.Errorf("got %q, %v, expected %q", got.V, err, value)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[2J\u009b\x9b\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		one, several := Text(s), Lines(s)
		if !utf8.ValidString(one) || Needed(one) || Needed(strings.NewReplacer("\n", "", "\t", "").Replace(several)) {
			t.Errorf("%q: got %q and %q", s, one, several)
		}
	})
}
