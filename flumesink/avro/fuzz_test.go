package avro

import (
	"bytes"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	oracle "github.com/twmb/avro"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// seeds reads hexadecimal seeds, one for each line.
func seeds(f *testing.F, file string) {
	f.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			f.Fatal(err)
		}
		if len(b) > 0 {
			f.Add(b)
		}
	}
}

// pair is the decoder and its oracle. Our limits are so wide that they have no effect.
type pair struct {
	ours   *decoder
	oracle *oracle.Schema
}

func newPair(tb testing.TB) *pair {
	tb.Helper()
	cfg := DefaultConfig()
	cfg.MaxBatchEvents, cfg.MaxHeaders, cfg.MaxHeaderBytes, cfg.MaxBodyBytes = 1<<30, 1<<30, 1<<30, 1<<30
	return &pair{
		ours:   newDecoder(tb, &cfg, 1<<40),
		oracle: oracle.MustParse(`{"type":"array","items":` + eventSchema + `}`),
	}
}

// compare decodes b with both. Bytes that the oracle does not read are cut off, because it leaves them to its caller.
func (p *pair) compare(t *testing.T, b []byte) (accepted bool) {
	t.Helper()
	d := p.ours
	var want []oracleEvent
	rest, oracleErr := p.oracle.Decode(b, &want)
	if oracleErr == nil {
		b = b[:len(b)-len(rest)]
	}
	before := bytes.Clone(b)
	err := d.batch(b)
	if (err == nil) != (oracleErr == nil) {
		t.Fatalf("%x: ours says %v, twmb/avro says %v", b, err, oracleErr)
	}
	if !bytes.Equal(b, before) {
		t.Fatalf("%x: the frame was changed", before)
	}
	if err != nil {
		return false
	}
	if len(d.Events) != len(want) {
		t.Fatalf("%x: %d events, expected %d", b, len(d.Events), len(want))
	}
	for i, e := range d.Events {
		if !bytes.Equal(e.Body, want[i].Body) || !maps.Equal(toMap(e.Headers), want[i].Headers) {
			t.Fatalf("%x: event %d is %s, expected %v %x", b, i, receivertest.Show(e), want[i].Headers, want[i].Body)
		}
		if cap(e.Body) != len(e.Body) || cap(e.Headers) != len(e.Headers) {
			t.Fatalf("%x: event %d: views have spare capacity", b, i)
		}
	}
	// The oracle reads the events that we encode again with the same result.
	again := flumeavro.AppendEvents(nil, d.Events)
	var twice []oracleEvent
	if rest, err := p.oracle.Decode(again, &twice); err != nil || len(rest) != 0 || len(twice) != len(want) {
		t.Fatalf("%x written again as %x: %v; expected rest with no elements, twice with %v elements and no error", b, again, err, len(want))
	}
	return true
}

// FuzzDecodeBatch compares the decoder with twmb/avro: both accept the same inputs, with the same bodies and headers.
// Fuzz it with -fuzzminimizetime 1x: the oracle's maps make coverage vary, so minimizing never ends.
func FuzzDecodeBatch(f *testing.F) {
	seeds(f, "testdata/batches.txt")
	p := newPair(f)
	f.Fuzz(func(t *testing.T, b []byte) { p.compare(t, b) })
}

// The same with many small valid frames with some bytes changed, on every run of the tests.
func TestDecoder_mutatedFrames(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := newPair(t)
	accepted, tries := 0, 50_000
	for range tries {
		es := make([]receiver.Event, rng.IntN(4))
		for i := range es {
			es[i].Body = make([]byte, rng.IntN(6))
			for range rng.IntN(3) {
				es[i].Headers = append(es[i].Headers, header(string(rune('a'+rng.IntN(3))), "value"[:rng.IntN(6)]))
			}
		}
		b := flumeavro.AppendEvents(nil, es)
		for range rng.IntN(3) {
			switch at := rng.IntN(len(b)); rng.IntN(3) {
			case 0:
				b[at] = byte(rng.Uint32())
			case 1:
				b[at] ^= 1 << rng.IntN(8)
			default:
				b = append(b[:at:at], b[min(at+rng.IntN(2), len(b)-1):]...)
			}
		}
		if p.compare(t, b) {
			accepted++
		}
	}
	if accepted < tries/10 || accepted > tries*9/10 {
		t.Errorf("%d of %d frames were valid: the mutations test too little; expected at least %v and at most %v", accepted, tries, tries/10, tries*9/10)
	}
}

// toMap returns the headers as a map: of names that occur twice the last counts.
func toMap(headers []receiver.Header) map[string]string {
	m := make(map[string]string, len(headers))
	for _, h := range headers {
		m[string(h.Key)] = string(h.Value)
	}
	return m
}

type oracleHandshake struct {
	ClientHash     [16]byte           `avro:"clientHash"`
	ClientProtocol *string            `avro:"clientProtocol"`
	ServerHash     [16]byte           `avro:"serverHash"`
	Meta           *map[string][]byte `avro:"meta"`
}

// FuzzHandshake compares the reading of a HandshakeRequest, and of the call metadata after it, with twmb/avro.
func FuzzHandshake(f *testing.F) {
	seeds(f, "testdata/handshakes.txt")
	request := oracle.MustParse(`{"type":"record","name":"HandshakeRequest","namespace":"org.apache.avro.ipc","fields":[
		{"name":"clientHash","type":{"type":"fixed","name":"MD5","size":16}},
		{"name":"clientProtocol","type":["null","string"]},
		{"name":"serverHash","type":"MD5"},
		{"name":"meta","type":["null",{"type":"map","values":"bytes"}]}]}`)
	metadata := oracle.MustParse(`{"type":"map","values":"bytes"}`)
	f.Fuzz(func(t *testing.T, b []byte) {
		var want oracleHandshake
		rest, oracleErr := request.Decode(b, &want)
		got, at, err := readHandshake(b)
		if (err == nil) != (oracleErr == nil) {
			t.Fatalf("%x: ours says %v, twmb/avro says %v", b, err, oracleErr)
		}
		if err != nil {
			return
		}
		if at != len(b)-len(rest) || got.clientHash != want.ClientHash || got.serverHash != want.ServerHash ||
			(got.clientText == nil) != (want.ClientProtocol == nil) ||
			got.clientText != nil && string(got.clientText) != *want.ClientProtocol {
			t.Fatalf("%x: %+v up to byte %d, expected %+v up to %d", b, got, at, want, len(b)-len(rest))
		}
		var meta map[string][]byte
		rest, oracleErr = metadata.Decode(b[at:], &meta)
		end := avrobin.SkipMap(b, at)
		if (end >= 0) != (oracleErr == nil) || oracleErr == nil && end != len(b)-len(rest) {
			t.Fatalf("%x: metadata up to %d, expected %d (%v)", b, end, len(b)-len(rest), oracleErr)
		}
	})
}

// FuzzVerifyProtocol: no protocol text of a sender does more harm than being rejected.
func FuzzVerifyProtocol(f *testing.F) {
	f.Add(flumeavro.ProtocolText)
	text, err := os.ReadFile("testdata/docless.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"messages":{"append":{"request":[{"type":"null"}],"response":"null"}}}`)
	for _, text := range hostileProtocols() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := flumeavro.Verify([]byte(text)); err == nil && !strings.Contains(text, "append") && !strings.Contains(text, `\u`) {
			t.Fatalf("%q was taken for Flume's protocol", text)
		}
	})
}
