package spark

import (
	"maps"

	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	oracle "github.com/twmb/avro"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// The hash of our text is known. Spark's releases have another text, which includes the licence.
func TestProtocol_hash(t *testing.T) {
	t.Parallel()
	if h := hex.EncodeToString(hashed()); h != "6dc2a9f26a07129c9361394c946886bb" {
		t.Errorf("got %v, expected %q", h, "6dc2a9f26a07129c9361394c946886bb")
	}
}

func hashed() []byte { h := avrorpc.HashOf(protocolText); return h[:] }

func frame(tb testing.TB) *receiver.Frame {
	tb.Helper()
	a := receiver.NewAdmission(receiver.Config{MaxBytesInFlight: 1 << 40}, nil)
	f, err := receiver.NewFrames(a).Begin(tb.Context(), time.Now(), time.Now().Add(time.Hour), 0)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

type oracleBatch struct {
	ErrorMsg       string        `avro:"errorMsg"`
	SequenceNumber string        `avro:"sequenceNumber"`
	Events         []oracleEvent `avro:"events"`
}

type oracleEvent struct {
	Headers map[string]string `avro:"headers"`
	Body    []byte            `avro:"body"`
}

var schema = `{"type":"record","name":"EventBatch","fields":[{"name":"errorMsg","type":"string"},{"name":"sequenceNumber","type":"string"},{"name":"events","type":{"type":"array","items":{"type":"record","name":"SparkSinkEvent","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}}}]}`

// FuzzDecodeBatch compares the decoder with twmb/avro: both accept the same bytes, with the same events.
func FuzzDecodeBatch(f *testing.F) {
	text, err := os.ReadFile("testdata/batches.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	limits := receiver.Limits{MaxBatchEvents: 1 << 30, MaxHeaders: 1 << 30, MaxHeaderBytes: 1 << 30, MaxBodyBytes: 1 << 30}
	ours, theirs := frame(f), oracle.MustParse(schema)
	f.Fuzz(func(t *testing.T, b []byte) {
		var want oracleBatch
		rest, oracleErr := theirs.Decode(b, &want)
		if oracleErr == nil {
			b = b[:len(b)-len(rest)]
		}
		got, err := decodeBatch(ours, &limits, b)
		if (err == nil) != (oracleErr == nil) {
			t.Fatalf("%x: ours says %v, twmb/avro says %v", b, err, oracleErr)
		}
		if err != nil {
			return
		}
		if got.errorMsg != want.ErrorMsg || got.sequence != want.SequenceNumber || len(ours.Events) != len(want.Events) {
			t.Fatalf("%x: %+v with %d events, expected %+v", b, got, len(ours.Events), want)
		}
		for i, e := range ours.Events {
			headers := map[string]string{}
			for _, h := range e.Headers {
				headers[string(h.Key)] = string(h.Value) // the last of a name, as in their map
			}
			if string(e.Body) != string(want.Events[i].Body) || !maps.Equal(headers, want.Events[i].Headers) {
				t.Fatalf("%x: event %d is %s, expected %+v", b, i, receivertest.Show(e), want.Events[i])
			}
		}
	})
}

func manyEvents() (b []byte, bodies int) {
	b = avrobin.AppendBytes([]byte{0}, "AbCdEfGh1")
	b = avrobin.AppendLong(b, 1000)
	for i := range 1000 {
		body := fmt.Sprintf(`192.0.2.%d - - [10/Oct/2024:13:55:%02d +0000] "GET /a/%04d HTTP/1.1" 200 2326 "-" "m"`, i%250, i%60, i)
		b = avrobin.AppendBytes(avrobin.AppendBytes(avrobin.AppendLong(b, 1), "host"), "web-01")
		b = avrobin.AppendBytes(append(b, 0), body)
		bodies += len(body)
	}
	return append(b, 0), bodies
}

func BenchmarkDecodeBatch(b *testing.B) {
	batch, bodies := manyEvents()
	f, limits := frame(b), receiver.DefaultLimits("")
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeBatch(f, &limits, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
	got := 0
	for _, e := range f.Events {
		got += len(e.Body)
	}
	if got != bodies {
		b.Fatalf("%d bytes of bodies, expected %d", got, bodies)
	}
}

// Decoding a batch allocates the copy of its sequence number, and nothing for each event.
func TestDecodeBatch_allocations(t *testing.T) {
	batch, _ := manyEvents()
	f, limits := frame(t), receiver.DefaultLimits("")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := decodeBatch(f, &limits, batch); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations for a batch of 1,000 events, expected at most 1", n)
	}
}

// The texts of a batch are copied without a charge, so they are bounded, however large the batch is.
func TestDecodeBatch_longTexts(t *testing.T) {
	t.Parallel()
	limits := receiver.DefaultLimits("spark")
	batch := func(errorMsg, sequence string) []byte {
		return append(avrobin.AppendBytes(avrobin.AppendBytes(nil, errorMsg), sequence), 0)
	}
	got, err := decodeBatch(frame(t), &limits, batch(strings.Repeat("x", 32<<20), "7"))
	if err != nil || len(got.errorMsg) > 5000 || !strings.HasSuffix(got.errorMsg, "(33554432 bytes)") || got.sequence != "7" {
		t.Errorf("%d bytes of errorMsg, sequence %q, %v; expected at most 5000 that end with %q, the sequence number %q and no error", len(got.errorMsg), got.sequence, err, "(33554432 bytes)", "7")
	}
	if got, err := decodeBatch(frame(t), &limits, batch("", strings.Repeat("7", maxSequence))); err != nil || len(got.sequence) != maxSequence {
		t.Errorf("a sequence number of %d bytes: %v; expected %v and no error", len(got.sequence), err, maxSequence)
	}
	got, err = decodeBatch(frame(t), &limits, batch("", strings.Repeat("7", maxSequence+1)))
	if err == nil || got.sequence != "" || !strings.Contains(err.Error(), "sequenceNumber has 4097 bytes, the limit is 4096") {
		t.Errorf("%d bytes of sequence number, %v; expected no sequence number and an error that contains %q", len(got.sequence), err, "sequenceNumber has 4097 bytes, the limit is 4096")
	}
}
