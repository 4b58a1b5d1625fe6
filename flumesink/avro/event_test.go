package avro

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
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

func (d *decoder) batch(b []byte) error { return decodeEvents(d.Frame, &d.cfg.Limits, b) }

func testDecoder(tb testing.TB) *decoder {
	tb.Helper()
	cfg := DefaultConfig()
	return newDecoder(tb, &cfg, 1<<40)
}

func mustDecode(tb testing.TB, frame []byte) []receiver.Event {
	tb.Helper()
	d := testDecoder(tb)
	if err := d.batch(frame); err != nil {
		tb.Fatal(err)
	}
	return d.Events
}

func header(key, value string) receiver.Header {
	return receiver.Header{Key: []byte(key), Value: []byte(value)}
}

// Avro specification 1.11, "Binary Encoding": each case covers one sentence of it.
func TestDecoder_spec(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bytes string
		want  []string
	}{
		"arrays: a block of count zero ends the array":             {"00", nil},
		"arrays: a series of blocks":                               {"02 00 02 78  02 00 02 79  00", []string{"x{}", "y{}"}},
		"arrays: a negative count is followed by the block's size": {"03 10 00 02 78 00 02 79  00", []string{"x{}", "y{}"}},
		"maps: a series of blocks":                                 {"02  02 0261 0262  02 0263 0264  00  00  00", []string{"{a=b,c=d}"}},
		"maps: a negative count is followed by the block's size":   {"02  03 10 0261 0262 0263 0264 00 00  00", []string{"{a=b,c=d}"}},
		"maps: keys are not checked, and may come twice":           {"02  04 0261 0262 0261 0263 00 00  00", []string{"{a=b,a=c}"}},
		"bytes: may be empty; strings too":                         {"02  02 00 00 00 00  00", []string{"{=}"}},
		"long: more bytes than it needs":                           {"8280 00  00 8280 8000 78  8000", []string{"x{}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range mustDecode(t, receivertest.Unhex(t, tc.bytes)) {
				got = append(got, receivertest.Show(e))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecoder_malformed(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]string{
		"nothing":                        "",
		"no end of the array":            "02 00 00",
		"more items than bytes":          "7e 00 00 00",
		"the least long as a count":      "ffffffffffffffffff01 02 00 00",
		"a long of 65 bits":              "ffffffffffffffffff02",
		"a long of 11 bytes":             "8080808080808080808000",
		"a block size that is cut":       "01 80",
		"a negative body":                "02 00 01 00",
		"a body longer than the rest":    "02 00 06 78 00",
		"a header name longer than that": "02 02 7e 61 00 00",
		"a header value that is cut":     "02 02 02 61 02",
		"a negative header name":         "02 02 01 00 00 00",
		"bytes after the end":            "00 00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rejected *receiver.RejectError
			if err := testDecoder(t).batch(receivertest.Unhex(t, bytes)); !errors.As(err, &rejected) || rejected.Reason != receiver.ReasonMalformed {
				t.Errorf("error %v, expected malformed", err)
			}
		})
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
			"3 events in a batch exceed the limit of 2: send smaller requests, or raise option 'avro.max-batch-events'",
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDecoder(t, tc.cfg, 1<<40)
			if err := d.batch(flumeavro.AppendEvents(nil, tc.good)); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			err := d.batch(flumeavro.AppendEvents(nil, tc.bad))
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

// The limits of a batch apply to all of its blocks together.
func TestDecoder_limitsOverBlocks(t *testing.T) {
	t.Parallel()
	d := testDecoder(t)
	d.cfg.MaxBatchEvents, d.cfg.MaxHeaders = 2, 1
	var limit *receiver.LimitError
	if err := d.batch(receivertest.Unhex(t, "02 0000 02 0000 02 0000 00")); !errors.As(err, &limit) {
		t.Errorf("error %v, expected a limit", err)
	}
	if err := d.batch(receivertest.Unhex(t, "02 02 0261 0262 02 0263 0264 00 00 00")); err != nil {
		t.Fatal(err)
	}
	if got := receivertest.Show(d.Events[0]); got != "{a=b}dead:headers" || d.Events[0].Dead.Dropped != 1 {
		t.Errorf("got %s, %+v; expected %q and 1 dropped header", got, d.Events[0].Dead, "{a=b}dead:headers")
	}
}

// An announced number takes no memory: memory is charged as events are decoded.
func TestDecoder_retainedBytesAreCharged(t *testing.T) {
	t.Parallel()
	d := testDecoder(t)
	before := d.budget.Used()
	charged := func() int { return int(d.budget.Used() - before) }
	if err := d.batch(append(receivertest.Unhex(t, "c0843d"), make([]byte, 10)...)); err == nil || charged() != 0 {
		t.Errorf("error %v, %d bytes charged for a number; expected 0 and an error", err, charged())
	}
	frame := benchBatch()
	if err := d.batch(frame); err != nil {
		t.Fatal(err)
	}
	kept := cap(d.Events)*int(unsafe.Sizeof(receiver.Event{})) + cap(d.Headers)*int(unsafe.Sizeof(receiver.Header{}))
	if charged() < kept*9/10 || charged() > 2*kept {
		t.Errorf("%d bytes charged, %d kept; expected at least %v and at most %v", charged(), kept, kept*9/10, 2*kept)
	}
	d = newDecoder(t, d.cfg, 8<<10)
	var favoured receiver.Lease // another lease is the one that may exceed the budget
	d.budget.Begin(&favoured)
	if err := favoured.Grow(t.Context(), time.Now().Add(time.Minute), 8<<10); err != nil {
		t.Fatal(err)
	}
	d.Deadline = time.Now()
	if err := d.batch(frame); !errors.Is(err, receiver.ErrNoMemory) {
		t.Errorf("error %v, expected the budget's", err)
	}
}

func TestDecoder_allocatesNothing(t *testing.T) {
	frame := benchBatch()
	d := testDecoder(t)
	if n := testing.AllocsPerRun(100, func() {
		if err := d.batch(frame); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a batch of 1,000 events, expected 0", n)
	}
}

func TestVarint_roundTrip(t *testing.T) {
	t.Parallel()
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63} {
		b := avrobin.AppendLong([]byte{9}, v)
		if got, next := avrobin.ReadLong(b, 1); got != v || next != len(b) {
			t.Errorf("%d became %d, at %d of %d", v, got, next, len(b))
		}
		for cut := 1; cut < len(b); cut++ {
			if _, next := avrobin.ReadLong(b[:cut], 1); next != -1 {
				t.Errorf("%d cut to %d bytes was read", v, cut)
			}
		}
	}
	if b := avrobin.AppendBytes(nil, strings.Repeat("x", 70)); len(b) != 72 {
		t.Errorf("%d bytes, expected 72", len(b))
	}
}
