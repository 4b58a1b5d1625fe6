package receiver

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func gzipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func frameOfEvents(tb testing.TB, events ...Event) (*Frame, *Admission) {
	tb.Helper()
	a := NewAdmission(DefaultConfig(), nil)
	f, err := NewFrames(a).Begin(tb.Context(), time.Now(), time.Now().Add(time.Hour), 0)
	if err != nil {
		tb.Fatal(err)
	}
	f.Events = append(f.Events, events...)
	return f, a
}

// log4j returns an event as Log4j 2's Flume appender sends it.
func log4j(body []byte) Event {
	return Event{Body: body, Headers: []Header{
		{Key: []byte("timeStamp"), Value: []byte("1431857103250")}, {Key: []byte("guId"), Value: []byte("0b5c1d9e-8f5f-11f0-9d0c-2a7d6a3f1c11")},
	}}
}

func TestDecompress(t *testing.T) {
	t.Parallel()
	whole := gzipped(t, "a line")
	large := strings.Repeat("x", 1001)
	broken := bytes.Clone(whole)
	broken[len(broken)-5] ^= 1 // the checksum
	for name, tc := range map[string]struct {
		event        Event
		body, reason string
	}{
		"compressed by Log4j 2":     {log4j(whole), "a line", ""},
		"an empty text":             {log4j(gzipped(t, "")), "", ""},
		"two members":               {log4j(append(bytes.Clone(whole), whole...)), "a linea line", ""},
		"at the limit":              {log4j(gzipped(t, large[:1000])), large[:1000], ""},
		"not compressed by Log4j 2": {log4j([]byte("a line")), "a line", ""},
		"gzip of another sender":    {Event{Body: whole}, string(whole), ""},
		"another header":            {Event{Body: whole, Headers: []Header{{Key: []byte("guid")}}}, string(whole), ""},
		"above the limit":           {log4j(gzipped(t, large)), string(gzipped(t, large)), "the body is compressed with gzip and decompresses to more bytes than option 'x.max-body-bytes' or option 'x.max-frame-bytes'"},
		"cut":                       {log4j(whole[:len(whole)-9]), string(whole[:len(whole)-9]), "the body is compressed with gzip and cannot be decompressed"},
		"without its trailer":       {log4j(whole[:len(whole)-1]), string(whole[:len(whole)-1]), "the body is compressed with gzip and cannot be decompressed"},
		"only its beginning":        {log4j(whole[:3]), string(whole[:3]), "the body is compressed with gzip and cannot be decompressed"},
		"another checksum":          {log4j(broken), string(broken), "the body is compressed with gzip and cannot be decompressed"},
		"more behind it":            {log4j(append(bytes.Clone(whole), "more"...)), string(whole) + "more", "the body is compressed with gzip and cannot be decompressed"},
		"a dead letter already is":  {Event{Body: whole, Headers: log4j(nil).Headers, Dead: &Dead{Reason: "why"}}, string(whole), "why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := frameOfEvents(t, Event{Body: []byte("before")}, tc.event, log4j(gzipped(t, "after")))
			l := DefaultLimits("x")
			l.MaxBodyBytes = 1000
			if err := f.Decompress(&l); err != nil {
				t.Fatal(err)
			}
			if string(f.Events[0].Body) != "before" || string(f.Events[2].Body) != "after" || f.Events[0].Dead != nil || f.Events[2].Dead != nil {
				t.Errorf("its neighbours are %q and %q; expected %q and %q, neither of them dead", f.Events[0].Body, f.Events[2].Body, "before", "after")
			}
			e := f.Events[1]
			reason := ""
			if e.Dead != nil {
				reason = e.Dead.Reason
			}
			if string(e.Body) != tc.body || reason != tc.reason {
				t.Errorf("body %q, reason %q: expected %q, %q", e.Body, reason, tc.body, tc.reason)
			}
		})
	}
}

// The option disables it.
func TestDecompress_off(t *testing.T) {
	t.Parallel()
	whole := gzipped(t, "a line")
	f, _ := frameOfEvents(t, log4j(whole))
	l := DefaultLimits("")
	l.KeepCompressed = true
	if err := f.Decompress(&l); err != nil || !bytes.Equal(f.Events[0].Body, whole) {
		t.Errorf("error %v, body %q; expected %q and no error", err, f.Events[0].Body, whole)
	}
}

// Small bodies that decompress to much are bounded for the whole request, and charged.
func TestDecompress_decompressionBomb(t *testing.T) {
	t.Parallel()
	bomb := gzipped(t, strings.Repeat("\x00", 1<<20))
	var events []Event
	for range 100 {
		events = append(events, log4j(bomb))
	}
	f, a := frameOfEvents(t, events...)
	before := a.Used()
	l := DefaultLimits("x")
	l.MaxFrameBytes = 5 << 20
	if err := f.Decompress(&l); err != nil {
		t.Fatal(err)
	}
	decompressed, dead := 0, 0
	for _, e := range f.Events {
		if e.Dead != nil {
			dead++
		} else {
			decompressed += len(e.Body)
		}
	}
	if decompressed != 5<<20 || dead != 95 {
		t.Errorf("%d bytes decompressed, %d dead letters: expected %d and 95", decompressed, dead, 5<<20)
	}
	if used := a.Used() - before; used < int64(decompressed) || used > int64(4*decompressed) {
		t.Errorf("%d bytes charged, %d decompressed; expected at least %v and at most %v", used, decompressed, int64(decompressed), int64(4*decompressed))
	}
}

// FuzzDecompress compares Decompress with compress/gzip: what gzip reads completely is the body, and all else is a dead letter.
func FuzzDecompress(f *testing.F) {
	f.Add(gzipped(f, "a line"))
	f.Add(gzipped(f, "")[:12])
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	noise := make([]byte, 100)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	f.Add(append([]byte("\x1f\x8b\x08\x1f"), noise...))
	f.Fuzz(func(t *testing.T, body []byte) {
		fr, _ := frameOfEvents(t, log4j(body))
		l := DefaultLimits("")
		l.MaxBodyBytes = 1 << 16
		before := bytes.Clone(body)
		if err := fr.Decompress(&l); err != nil {
			t.Fatal(err)
		}
		e := fr.Events[0]
		if !bytes.HasPrefix(before, []byte("\x1f\x8b\x08")) {
			if e.Dead != nil || !bytes.Equal(e.Body, before) {
				t.Fatal("a body that is not compressed was changed")
			}
			return
		}
		var want bytes.Buffer
		r, err := gzip.NewReader(bytes.NewReader(before))
		if err == nil {
			_, err = want.ReadFrom(r)
		}
		if (err == nil && want.Len() <= l.MaxBodyBytes) != (e.Dead == nil) {
			t.Fatalf("compress/gzip says %v with %d bytes, we say %v", err, want.Len(), e.Dead)
		}
		if e.Dead == nil && !bytes.Equal(e.Body, want.Bytes()) || e.Dead != nil && !bytes.Equal(e.Body, before) {
			t.Fatal("the body differs")
		}
	})
}

// The work on bodies that cannot be decompressed is bounded for a request: each was as much work as the largest body,
// which is a minute for a request of 64 MiB. Bodies whose trailer holds their true length cost nothing, and other
// events are not affected.
func TestDecompress_corruptBodiesAreBounded(t *testing.T) {
	t.Parallel()
	l := DefaultLimits("x")
	l.MaxFrameBytes, l.MaxBodyBytes = 4<<20, 2<<20
	honest := gzipped(t, strings.Repeat("x", 3<<20))
	liar := bytes.Clone(honest)
	copy(liar[len(liar)-4:], []byte{0, 0, 1, 0}) // 64 KiB
	for name, c := range map[string]struct {
		body   []byte
		tried  int // how many of them are decompressed up to the limit
		after  string
		reason string
	}{
		"honest": {honest, 0, "after", "the body is compressed with gzip and decompresses to more bytes than option 'x.max-body-bytes' or option 'x.max-frame-bytes'"},
		"liars":  {liar, 2, string(gzipped(t, "after")), "the body is compressed with gzip, and earlier bodies of its request that cannot be decompressed used up the work that a request may cause"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := make([]Event, 0, 1001)
			for range 1000 {
				events = append(events, log4j(c.body))
			}
			f, _ := frameOfEvents(t, append(events, log4j(gzipped(t, "after")))...)
			before := f.Events[999].Body
			if err := f.Decompress(&l); err != nil {
				t.Fatal(err)
			}
			if got := f.Events[999]; got.Dead == nil || got.Dead.Reason != c.reason || !bytes.Equal(got.Body, before) {
				t.Errorf("the last is %v", got.Dead)
			}
			if got := string(f.Events[1000].Body); got != c.after {
				t.Errorf("the neighbour is %q, expected %v", got, c.after)
			}
			tried := 0
			for _, e := range f.Events[:1000] {
				if name == "liars" && e.Dead.Reason != c.reason {
					tried++
				}
			}
			if tried != c.tried {
				t.Errorf("%d were decompressed up to the limit, expected %d", tried, c.tried)
			}
		})
	}
}
