package thrift

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	oracle "github.com/apache/thrift/lib/go/thrift"
	"github.com/google/go-cmp/cmp"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/flumethrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// decoder decodes into its own frame.
type decoder struct {
	*receiver.Frame
	cfg    *Config
	budget *receiver.Admission
}

func newDecoder(tb testing.TB, cfg *Config, budget int64) *decoder {
	tb.Helper()
	a := receiver.NewAdmission(receiver.Config{MaxBytesInFlight: budget}, nil)
	f, err := receiver.NewFrames(a).Begin(tb.Context(), time.Now(), time.Now().Add(time.Hour), 0)
	if err != nil {
		tb.Fatal(err)
	}
	return &decoder{Frame: f, cfg: cfg, budget: a}
}

func testDecoder(tb testing.TB) *decoder {
	tb.Helper()
	cfg := DefaultConfig()
	return newDecoder(tb, &cfg, 1<<40)
}

// batch decodes the arguments of an appendBatch.
func (d *decoder) batch(p thriftclient.Protocol, b []byte) error {
	return arguments(d.Frame, &d.cfg.Limits, reader{b: b, compact: p == thriftclient.Compact}, true)
}

func (d *decoder) shown() []string {
	var got []string
	for _, e := range d.Events {
		got = append(got, receivertest.Show(e))
	}
	return got
}

func header(key, value string) receiver.Header {
	return receiver.Header{Key: []byte(key), Value: []byte(value)}
}

// written returns events as the arguments of appendBatch, encoded by Apache's library.
func written(tb testing.TB, p thriftclient.Protocol, es []receiver.Event) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := protocolOn(p, oracle.NewStreamTransportW(&out))
	if err := errors.Join((&flumethrift.BatchArgs{Events: es}).Write(context.Background(), w), w.Flush(context.Background())); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// Thrift's specifications of the two protocols, and of how structs evolve: unknown fields are skipped.
func TestDecoder_spec(t *testing.T) {
	t.Parallel()
	const event = "1b01 88 0161 0162  18 0178 00" // {a: b}, "x"
	const binaryEvent = "0d0001 0b0b 00000001 00000001 61 00000001 62 0b0002 00000001 78 00"
	for name, tc := range map[string]struct {
		p     thriftclient.Protocol
		bytes string
		want  []string
	}{
		"an empty list":                            {thriftclient.Compact, "190c 00", nil},
		"an empty list of something else":          {thriftclient.Compact, "1905 00", nil},
		"a long list's count follows":              {thriftclient.Compact, "19fc 01" + event + "00", []string{"x{a=b}"}},
		"a field's number follows its type":        {thriftclient.Compact, "0902 1c" + event + "00", []string{"x{a=b}"}},
		"an empty map has no types":                {thriftclient.Compact, "191c 1b00 180178 00 00", []string{"x{}"}},
		"body before headers":                      {thriftclient.Compact, "191c 280178 0b02 00 00 00", []string{"x{}"}},
		"a number of more bytes than it needs":     {thriftclient.Compact, "191c 1b8000 18818000 78 00 00", []string{"x{}"}},
		"a name that comes twice":                  {thriftclient.Compact, "191c 1b02 88 0161 0162 0161 0163 18 00 00 00", []string{"{a=b,a=c}"}},
		"a field that comes twice":                 {thriftclient.Compact, "191c 1b01 88 0161 0162 0b02 00 18 0178 0804 0179 00 00", []string{"y{}"}},
		"a list that comes twice":                  {thriftclient.Compact, "191c" + event + "0902 2c" + event + event + "00", []string{"x{a=b}", "x{a=b}"}},
		"fields of every type, and true and false": {thriftclient.Compact, "191c" + strings.TrimSuffix(event, "00") + "11 12 13ff 14ff01 1501 16ffffffffffffffffff01 17" + strings.Repeat("5a", 8) + "18 0161 1925 0102 1a11 01 1b01 5801 0161 1c 1100 1d" + strings.Repeat("5a", 16) + "00 00", []string{"x{a=b}"}},
		"an argument that is not ours":             {thriftclient.Compact, "1501 0902 1c" + event + "00", []string{"x{a=b}"}},
		"binary: an empty list":                    {thriftclient.Binary, "0f0001 0c 00000000 00", nil},
		"binary: one event":                        {thriftclient.Binary, "0f0001 0c 00000001" + binaryEvent + "00", []string{"x{a=b}"}},
		"binary: an empty map may say any types":   {thriftclient.Binary, "0f0001 0c 00000001 0d0001 0000 00000000 0b0002 00000000 00 00", []string{"{}"}},
		"binary: fields of every type":             {thriftclient.Binary, "0f0001 0c 00000001" + strings.TrimSuffix(binaryEvent, "00") + "020003 01 030004 ff 060005 0001 080006 00000001 0a0007" + strings.Repeat("00", 8) + "040008" + strings.Repeat("00", 8) + "0b0009 00000001 61 0c000a 02000101 00 0d000b 0308 00000001 01 00000002 0e000c 02 00000001 01 0f000d 0b 00000001 00000001 61 10000e" + strings.Repeat("00", 16) + "00 00", []string{"x{a=b}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDecoder(t)
			if err := d.batch(tc.p, receivertest.Unhex(t, tc.bytes)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, d.shown()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecoder_malformed(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("1c", n) + strings.Repeat("00", n) }
	for name, tc := range map[string]struct {
		p     thriftclient.Protocol
		bytes string
		want  string
	}{
		"nothing":                           {thriftclient.Compact, "", "bad field at byte 0 of 0"},
		"no events":                         {thriftclient.Compact, "00", "field 1, the events, is missing"},
		"events of another type":            {thriftclient.Compact, "1c 00 00", "field 1, the events, is missing"},
		"bytes after the end":               {thriftclient.Compact, "190c 00 00", "1 bytes follow"},
		"a list of numbers":                 {thriftclient.Compact, "1915 02 00", "or not a list of structs"},
		"more events than bytes":            {thriftclient.Compact, "19fc ffffffff0f 00", "bad list"},
		"a count of 33 bits":                {thriftclient.Compact, "19fc 8180808010 00", "bad list"},
		"a count of six bytes":              {thriftclient.Compact, "19fc 808080808000 00", "bad list"},
		"no end of the list":                {thriftclient.Compact, "193c 1b00 1800 00", "event 1: bad field"},
		"no headers":                        {thriftclient.Compact, "191c 2800 00 00", "required field 'headers' was not present"},
		"no body":                           {thriftclient.Compact, "191c 1b00 00 00", "required field 'body' was not present"},
		"headers of another type":           {thriftclient.Compact, "191c 1902 18 00 00", "required field 'headers'"},
		"headers to numbers":                {thriftclient.Compact, "191c 1b01 85 0161 02 1800 00 00", "or not a map of strings to strings"},
		"more headers than bytes":           {thriftclient.Compact, "191c 1b0f 88 0161 0162 1800 00 00", "bad headers"},
		"a header name that is cut":         {thriftclient.Compact, "191c 1b01 88 0561 00 00", "bad header name"},
		"a header value that is cut":        {thriftclient.Compact, "191c 1b01 88 0161 7f 00 00", "bad header value"},
		"a body longer than the rest":       {thriftclient.Compact, "191c 1b00 18 0478 00 00", "bad body"},
		"a type that is none":               {thriftclient.Compact, "1e 190c 00", "cannot be skipped"},
		"an element that is none":           {thriftclient.Compact, "291e 00 00", "cannot be skipped"},
		"too deep":                          {thriftclient.Compact, deep(maxDepth+1) + "00", "cannot be skipped"},
		"binary: nothing":                   {thriftclient.Binary, "", "bad field"},
		"binary: a field that is cut":       {thriftclient.Binary, "0f00", "bad field"},
		"binary: a negative count":          {thriftclient.Binary, "0f0001 0c ffffffff 00", "bad list"},
		"binary: a map that is cut":         {thriftclient.Binary, "0f0001 0c 00000001 0d0001 0b", "bad headers"},
		"binary: a negative length":         {thriftclient.Binary, "0f0001 0c 00000001 0b0002 ffffffff 00 00", "bad body"},
		"binary: a type that is none":       {thriftclient.Binary, "050002 00 00", "cannot be skipped"},
		"binary: a field of our own types":  {thriftclient.Binary, "fe0002 00", "cannot be skipped"},
		"binary: elements of our own types": {thriftclient.Binary, "0f0002 fe 00000001 00 00", "cannot be skipped"},
		"binary: names of our own types":    {thriftclient.Binary, "0d0002 fe0b 00000001 00000000 00 00", "cannot be skipped"},
		"binary: values of our own types":   {thriftclient.Binary, "0d0002 0bfe 00000001 00000000 00 00", "cannot be skipped"},
		"binary: a set longer than all":     {thriftclient.Binary, "0e0002 02 00000009 01 00", "cannot be skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rejected *receiver.RejectError
			err := testDecoder(t).batch(tc.p, receivertest.Unhex(t, tc.bytes))
			if !errors.As(err, &rejected) || rejected.Reason != receiver.ReasonMalformed || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, expected malformed: %s", err, tc.want)
			}
		})
	}
	// One level less is skipped.
	if err := testDecoder(t).batch(thriftclient.Compact, receivertest.Unhex(t, deep(maxDepth)+"00")); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("error %v, expected that events are missing", err)
	}
}

func TestDecoder_limits(t *testing.T) {
	t.Parallel()
	set := func(change func(*Config)) *Config {
		cfg := DefaultConfig()
		change(&cfg)
		return &cfg
	}
	one := func(body string, headers ...receiver.Header) []receiver.Event {
		return []receiver.Event{{Headers: headers, Body: []byte(body)}}
	}
	for name, tc := range map[string]struct {
		cfg       *Config
		good, bad []receiver.Event
		want      string
	}{
		"events": {
			set(func(c *Config) { c.MaxBatchEvents = 2 }), receivertest.Events("a", "b"), receivertest.Events("a", "b", "c"),
			"3 events in a batch exceed the limit of 2: send smaller requests, or raise option 'thrift.max-batch-events'",
		},
		"headers": {
			set(func(c *Config) { c.MaxHeaders = 1 }), one("", header("a", "b")), one("", header("a", "b"), header("c", "d")),
			"{a=b}dead:headers",
		},
		"header bytes": {
			set(func(c *Config) { c.MaxHeaderBytes = 3 }), one("", header("a", "bc")), one("", header("a", "b"), header("c", "d")),
			"{a=b}dead:header_bytes",
		},
		"body bytes": {
			set(func(c *Config) { c.MaxBodyBytes = 3 }), one("abc"), one("abcd"),
			"abcd{}dead:body_bytes",
		},
	} {
		for _, p := range both {
			t.Run(name+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				d := newDecoder(t, tc.cfg, 1<<40)
				if err := d.batch(p, written(t, p, tc.good)); err != nil {
					t.Errorf("at the limit: %v", err)
				}
				err := d.batch(p, written(t, p, tc.bad))
				if name == "events" {
					if limit := (*receiver.LimitError)(nil); !errors.As(err, &limit) || err.Error() != tc.want {
						t.Errorf("error    %v\nexpected %s", err, tc.want)
					}
					return
				}
				if err != nil || len(d.Events) != 1 || receivertest.Show(d.Events[0]) != tc.want {
					t.Errorf("error %v, events %v, expected %s", err, d.Events, tc.want)
				}
			})
		}
	}
}

// An announced number takes no memory: memory is charged as events are decoded.
func TestDecoder_retainedBytesAreCharged(t *testing.T) {
	t.Parallel()
	for _, p := range both {
		d := testDecoder(t)
		before := d.budget.Used()
		charged := func() int { return int(d.budget.Used() - before) }
		announced := receivertest.Unhex(t, map[thriftclient.Protocol]string{thriftclient.Compact: "19fcc0843d", thriftclient.Binary: "0f00010c000f4240"}[p])
		if err := d.batch(p, append(announced, make([]byte, 10)...)); err == nil || charged() != 0 {
			t.Errorf("%s: error %v, %d bytes charged for a number; expected 0 and an error", p, err, charged())
		}
		b := written(t, p, receivertest.BenchEvents())
		if err := d.batch(p, b); err != nil {
			t.Fatal(err)
		}
		kept := cap(d.Events)*int(unsafe.Sizeof(receiver.Event{})) + cap(d.Headers)*int(unsafe.Sizeof(receiver.Header{}))
		if charged() < kept*9/10 || charged() > 2*kept {
			t.Errorf("%s: %d bytes charged, %d kept; expected at least %v and at most %v", p, charged(), kept, kept*9/10, 2*kept)
		}
	}
}

func TestDecoder_allocatesNothing(t *testing.T) {
	for _, p := range both {
		b := written(t, p, receivertest.BenchEvents())
		d := testDecoder(t)
		if n := testing.AllocsPerRun(100, func() {
			if err := d.batch(p, b); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for a batch of 1,000 events, expected 0", p, n)
		}
	}
}
