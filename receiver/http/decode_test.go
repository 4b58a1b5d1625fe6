package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// frame returns a frame that holds text.
func frame(tb testing.TB, frames *receiver.Frames, text []byte) *receiver.Frame {
	tb.Helper()
	now := time.Now()
	f, err := frames.Begin(tb.Context(), now, now.Add(time.Minute), 0)
	if err != nil {
		tb.Fatal(err)
	}
	for cap(f.Bytes) < len(text) {
		if err := f.Grow(); err != nil {
			tb.Fatal(err)
		}
	}
	f.Bytes = append(f.Bytes, text...)
	return f
}

func newFrames() *receiver.Frames {
	return receiver.NewFrames(receiver.NewAdmission(receiver.DefaultConfig(), nil))
}

func TestDecode(t *testing.T) {
	t.Parallel()
	limits := receiver.DefaultLimits("http")
	limits.MaxBatchEvents, limits.MaxHeaders, limits.MaxHeaderBytes, limits.MaxBodyBytes = 3, 2, 14, 10
	frames := newFrames()
	for name, c := range map[string]struct {
		text string
		want string // events, or the error
	}{
		"none":                     {` [ ] `, ""},
		"one":                      {`[{"headers":{"a":"b"},"body":"x"}]`, "x{a=b}"},
		"body first":               {"\n[\t{ \"body\" : \"x\" , \"headers\" : { \"a\" : \"b\" , \"c\" : \"d\" } } ,\r{}]", "x{a=b,c=d} {}"},
		"null":                     {`[{"headers":null,"body":null}]`, "{}"},
		"numbers and booleans":     {`[{"headers":{"n":-1.5e+3,"t":true},"body":0},{"body":false}]`, "0{n=-1.5e+3,t=true} false{}"},
		"others are ignored":       {`[{"x":[{},[1,"]"],null,{"a":{"b":[]}}],"body":"x","y":{"body":"no"}}]`, "x{}"},
		"escapes":                  {`[{"headers":{"\u0061":"\/"},"body":"\"\\\b\f\n\r\t"}]`, "\"\\\b\f\n\r\t{a=/}"},
		"escaped names":            {`[{"\u0062ody":"x"}]`, "x{}"},
		"beyond the first plane":   {`[{"body":"\ud83D\ude00é"}]`, "😀é{}"},
		"half a pair":              {`[{"body":"\ud83d"},{"body":"\ude00\u0041"},{"body":"\ud83d\u0041"}]`, "\ufffd{} \ufffdA{} \ufffdA{}"},
		"bytes that are not UTF-8": {"[{\"body\":\"\xff\"}]", "\xff{}"},
		"empty body":               {``, "event 0: the body ends at byte 0, expected an array of events"},
		"an object":                {`{"body":"x"}`, `event 0, byte 0 of 12: got "{", expected an array of events`},
		"not an event":             {`[{},null]`, `event 1, byte 4 of 9: got "n", expected an event, {"headers":{…},"body":"…"}`},
		"cut":                      {`[{"body":"x"}`, `event 1: the body ends at byte 13, expected ',' or ']' after an event`},
		"cut string":               {`[{"body":"x`, `event 0: the body ends at byte 11, expected the string's closing quote`},
		"cut escape":               {`[{"body":"\n`, `event 0: the body ends at byte 12, expected the string's closing quote`},
		"comma too many":           {`[{"body":"x"},]`, `event 1, byte 14 of 15: got "]", expected an event`},
		"comma in an object":       {`[{"body":"x",}]`, `got "}", expected a name in quotes`},
		"no comma":                 {`[{"body":"x"}{}]`, `event 1, byte 13 of 16: got "{", expected ',' or ']' after an event`},
		"more":                     {`[] []`, `got "[", expected nothing after the array`},
		"a body of an object":      {`[{"body":{}}]`, `got "{", expected the body, a string`},
		"headers of an array":      {`[{"headers":[]}]`, `got "[", expected headers, {"name":"value"}`},
		"a header of null":         {`[{"headers":{"a":null}}]`, `got "n", expected a header's value, a string`},
		"a header twice":           {`[{"headers":{"a":"1","\u0061":"2"}}]`, `expected each header once`},
		"headers twice":            {`[{"headers":{},"headers":{}}]`, `expected "headers" once`},
		"body twice":               {`[{"body":"a","body":null}]`, `expected "body" once`},
		"single quotes":            {`[{'headers':{'a':"it's"},'body':'"x"\'\"'}]`, `"x"'"{a=it's}`},
		"quotes of two kinds":      {`[{"body':'x"}]`, `expected ':' after a name`},
		"no quotes":                {`[{body:"x"}]`, `got "b", expected a name in quotes`},
		"no colon":                 {`[{"body" "x"}]`, `got "\"", expected ':' after a name`},
		"control characters":       {"[{\"headers\":{\"a\tb\":\"\x01\"},\"body\":\"1\t200\n\r\x00\x1f\"}]", "1\t200\n\r\x00\x1f{a\tb=\x01}"},
		"and after an escape":      {"[{\"body\":\"\\n\n\\t\t\"}]", "\n\n\t\t{}"},
		"a byte order mark":        {"\xef\xbb\xbf[{\"body\":\"{}\"}]", "{}{}"},
		"two of them":              {"\xef\xbb\xbf\xef\xbb\xbf[]", "expected an array of events"},
		"one in a string":          {"[{\"body\":\"\xef\xbb\xbfx\"}]", "\ufeffx{}"},
		"bad escape":               {`[{"body":"\x"}]`, `got "x", expected one of`},
		"bad unit":                 {`[{"body":"\u12g4"}]`, `got "g", expected four hexadecimal digits`},
		"bad second unit":          {`[{"body":"\ud83d\u12"}]`, `got "\"", expected four hexadecimal digits`},
		"leading zero":             {`[{"body":01}]`, `got "1", expected ',' or '}' after a value`},
		"bad number":               {`[{"body":-}]`, `got "}", expected a digit`},
		"bad fraction":             {`[{"body":1.}]`, `got "}", expected a digit`},
		"bad literal":              {`[{"body":nul}]`, `got "n", expected null`},
		"too deep":                 {`[{"x":` + strings.Repeat("[", 65), `expected less than 64 levels`},
		"too many events":          {`[{},{},{},{}]`, "4 events in a batch exceed the limit of 3: send smaller requests, or raise option 'http.max-batch-events'"},
		"too many headers":         {`[{"headers":{"a":"","b":"","c":""}}]`, "{a=,b=}dead:headers"},
		"headers too large":        {`[{"headers":{"a":"12345678901234"}}]`, "{}dead:header_bytes"},
		"body too large":           {`[{"body":"12345678901"}]`, "12345678901{}dead:body_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := frame(t, frames, []byte(c.text))
			defer f.Release()
			if err := decode(f, &limits); err != nil {
				var rejected *receiver.RejectError
				if !errors.As(err, &rejected) || c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, expected %s", err, c.want)
				}
				return
			}
			var got []string
			for _, e := range f.Events {
				got = append(got, receivertest.Show(e))
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzDecode compares the decoder with encoding/json: both accept the same texts, with the same events.
func FuzzDecode(f *testing.F) {
	for _, s := range flumeSaid(f) {
		_, body, _ := strings.Cut(s.request, "\r\n\r\n")
		f.Add([]byte(body))
	}
	for _, s := range []string{
		`[{"headers":{"a":"\ud83d\ude00","b":"\ud83d","c":"\ud83d\u0041\\"},"body":"\"\\\/\b\f\n\r\t"}]`,
		`[{"x":[[{"a":[null,true,false,-0.1e-2]}]],"body":1e9},{}]`, `[{"body":"a","body":"b"}]`, `[{"body":01}]`, "[{}\x00]", `[{"headers":{"a":1}},[]]`,
	} {
		f.Add([]byte(s))
	}
	limits := receiver.DefaultLimits("http")
	frames := newFrames()
	f.Fuzz(func(t *testing.T, text []byte) {
		fr := frame(t, frames, bytes.Clone(text))
		defer fr.Release()
		err := decode(fr, &limits)
		var got []string
		for _, e := range fr.Events {
			got = append(got, receivertest.Show(e))
		}
		if !utf8.Valid(text) {
			return // we keep these bytes, and encoding/json replaces them
		}
		want, wrong := reference(text)
		if err == nil && wrong != nil && bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == '\ufeff' || c == '\'' }) {
			return // like Gson, and unlike encoding/json
		}
		if (err == nil) != (wrong == nil) {
			var limit *receiver.LimitError
			if err != nil && (strings.Contains(err.Error(), " once") || strings.Contains(err.Error(), "levels") || errors.As(err, &limit)) {
				return
			}
			t.Fatalf("%q: got %v, encoding/json %v", text, err, wrong)
		}
		if err == nil {
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%q: %s", text, d)
			}
		}
	})
}

// reference decodes with encoding/json.
func reference(text []byte) ([]string, error) {
	if t := bytes.TrimLeft(text, " \t\r\n"); !bytes.HasPrefix(t, []byte("[")) {
		return nil, errors.New("no array")
	}
	var events []json.RawMessage
	if err := json.Unmarshal(text, &events); err != nil {
		return nil, err
	}
	var shown []string
	for _, raw := range events {
		var e map[string]json.RawMessage
		if err := json.Unmarshal(raw, &e); err != nil || e == nil {
			return nil, fmt.Errorf("no event: %w", err)
		}
		var body string
		var err error
		if b := e["body"]; len(b) > 0 && string(b) != "null" {
			if body, err = referenceText(b); err != nil {
				return nil, err
			}
		}
		var headers []string
		if h := e["headers"]; len(h) > 0 && string(h) != "null" {
			dec := json.NewDecoder(bytes.NewReader(h))
			dec.UseNumber()
			if t, err := dec.Token(); err != nil || t != json.Delim('{') {
				return nil, fmt.Errorf("no headers: %v, %w", t, err)
			}
			for dec.More() { // in their order in the text
				name, err := dec.Token()
				if err != nil {
					return nil, err
				}
				var raw json.RawMessage
				if err := dec.Decode(&raw); err != nil {
					return nil, err
				}
				value, err := referenceText(raw)
				if err != nil {
					return nil, err
				}
				headers = append(headers, fmt.Sprint(name)+"="+value)
			}
		}
		shown = append(shown, body+"{"+strings.Join(headers, ",")+"}")
	}
	return shown, nil
}

// referenceText returns the text of a string, or the JSON text of a number or boolean.
func referenceText(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{', '[', 'n':
		return "", errors.New("no text")
	}
	return string(raw), nil
}

// lines100 returns a batch of 100 log lines, as Flume usually sends it.
func lines100() []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range 100 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"headers":{"host":"web%02d","timestamp":"1764172800000"},"body":"192.0.2.%d - - [26/Nov/2026:16:00:00 +0000] \"GET /index.html?q=%d HTTP/1.1\" 200 1234 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""}`, i%10, i, i)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func TestDecode_allocatesNothing(t *testing.T) {
	text := lines100()
	limits := receiver.DefaultLimits("http")
	f := frame(t, newFrames(), text)
	defer f.Release()
	got := testing.AllocsPerRun(100, func() {
		f.Reset()
		copy(f.Bytes, text) // decoding has unescaped it
		if err := decode(f, &limits); err != nil || len(f.Events) != 100 {
			t.Fatalf("got %v, %v; expected 100 and no error", len(f.Events), err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for 100 events, expected 0", got)
	}
}

// The upper bound is the copy that each run needs, because decoding unescapes in place.
func BenchmarkDecode(b *testing.B) {
	text := lines100()
	limits := receiver.DefaultLimits("http")
	f := frame(b, newFrames(), text)
	defer f.Release()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f.Reset()
		copy(f.Bytes, text)
		if err := decode(f, &limits); err != nil || len(f.Events) != 100 || len(f.Events[99].Headers) != 2 {
			b.Fatalf("got %v, %v; expected 100 events, the last with 2 headers, and no error", len(f.Events), err)
		}
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "events/s")
}

// A name that occurs twice is found at any position.
func TestDecode_manyHeaders(t *testing.T) {
	t.Parallel()
	limits := receiver.DefaultLimits("http")
	event := func(names ...string) string { return `{"headers":{"` + strings.Join(names, `":"","`) + `":""}}` }
	names := make([]string, 256)
	for i := range names {
		names[i] = fmt.Sprintf("%02x", i)
	}
	frames := newFrames()
	for at := range names { // each name once more, behind all of them
		if at == 0 {
			continue
		}
		twice := append(append([]string{}, names[:at]...), names[at/2])
		f := frame(t, frames, []byte("["+event(names...)+","+event(twice...)+"]"))
		if err := decode(f, &limits); err == nil || !strings.Contains(err.Error(), "event 1") || !strings.Contains(err.Error(), "each header once") {
			t.Errorf("name %d after %d: %v; expected an error that contains %q and %q", at/2, at, err, "event 1", "each header once")
		}
		f.Release()
	}
}

// Names are looked up by their hash and not compared with all names before them, which took 6 s for 16 MiB of events
// with 256 headers, and 8 s for one event with two million headers. Of 256 names few are compared.
func TestDecode_fewNamesAreCompared(t *testing.T) {
	t.Parallel()
	var d decoder
	compared := 0
	for i := range 256 {
		if !d.addHash(fmt.Appendf(nil, "name-%d", i)) {
			compared++
		}
	}
	if compared > 40 {
		t.Errorf("%d names of 256 have the hash of another, expected at most 40", compared)
	}
	if d.addHash([]byte("name-7")) {
		t.Error("an existing name is not found")
	}
}
