package thrift

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	oracle "github.com/apache/thrift/lib/go/thrift"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/flumethrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// theirs reads the arguments of appendBatch by Apache's library, as the code of its compiler does. It also checks what
// our decoder checks beyond that: the types of elements, and that no bytes are left.
type theirs struct {
	events []receiver.Event
	in     *oracle.TMemoryBuffer
}

var errOurs = errors.New("what the decoder alone refuses")

func (o *theirs) fields(ctx context.Context, p oracle.TProtocol, known func(id int16, typ oracle.TType) (bool, error)) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, typ, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if typ == oracle.STOP {
			return p.ReadStructEnd(ctx)
		}
		taken, err := known(id, typ)
		if err == nil && !taken {
			err = p.Skip(ctx, typ)
		}
		if err != nil {
			return err
		}
	}
}

func (o *theirs) read(ctx context.Context, p oracle.TProtocol) error {
	found := false
	err := o.fields(ctx, p, func(id int16, typ oracle.TType) (bool, error) {
		if id != 1 || typ != oracle.LIST {
			return false, nil
		}
		found, o.events = true, nil
		element, n, err := p.ReadListBegin(ctx)
		if err != nil || n > 0 && element != oracle.STRUCT {
			return true, errors.Join(errOurs, err)
		}
		for range n {
			if err := o.event(ctx, p); err != nil {
				return true, err
			}
		}
		return true, nil
	})
	if err == nil && (!found || o.in.Len() > 0) {
		return errOurs
	}
	return err
}

func (o *theirs) event(ctx context.Context, p oracle.TProtocol) error {
	var e receiver.Event
	headers, body := false, false
	err := o.fields(ctx, p, func(id int16, typ oracle.TType) (bool, error) {
		switch {
		case id == 1 && typ == oracle.MAP:
			headers, e.Headers = true, nil
			key, value, n, err := p.ReadMapBegin(ctx)
			if err != nil || n > 0 && (key != oracle.STRING || value != oracle.STRING) {
				return true, errors.Join(errOurs, err)
			}
			for range n {
				name, err := p.ReadString(ctx)
				if err != nil {
					return true, err
				}
				text, err := p.ReadString(ctx)
				if err != nil {
					return true, err
				}
				e.Headers = append(e.Headers, header(name, text))
			}
			return true, nil
		case id == 2 && typ == oracle.STRING:
			body = true
			var err error
			e.Body, err = p.ReadBinary(ctx)
			return true, err
		}
		return false, nil
	})
	if err == nil && (!headers || !body) {
		return errOurs
	}
	o.events = append(o.events, e)
	return err
}

// pair is the decoder and its oracle. Our limits are so wide that they have no effect.
type pair struct {
	p    thriftclient.Protocol
	ours *decoder
}

func newPair(tb testing.TB, p thriftclient.Protocol) *pair {
	tb.Helper()
	cfg := DefaultConfig()
	cfg.MaxBatchEvents, cfg.MaxHeaders, cfg.MaxHeaderBytes, cfg.MaxBodyBytes = 1<<30, 1<<30, 1<<30, 1<<30
	return &pair{p, newDecoder(tb, &cfg, 1<<40)}
}

// compare decodes b with both. What our decoder accepts, Apache's library accepts too, with the same result. What only
// the library accepts is a number of more bits or bytes than its type has, or an empty container of an undefined type.
func (x *pair) compare(t *testing.T, b []byte) (accepted bool) {
	t.Helper()
	d, ctx := x.ours, context.Background()
	o := &theirs{in: &oracle.TMemoryBuffer{Buffer: bytes.NewBuffer(bytes.Clone(b))}}
	oracleErr := o.read(ctx, protocolOn(x.p, o.in))
	before := bytes.Clone(b)
	err := d.batch(x.p, b)
	if !bytes.Equal(b, before) {
		t.Fatalf("%x: the frame was changed", before)
	}
	if err != nil && oracleErr == nil {
		// Encoded again by the library, it must be valid.
		if err := d.batch(x.p, written(t, x.p, o.events)); err != nil {
			t.Fatalf("%x: apache/thrift accepts it, but its result, encoded again, is rejected: %v", b, err)
		}
		if x.p == thriftclient.Binary || !strange(b) {
			t.Fatalf("%x: ours returns %v, apache/thrift accepts it", b, err)
		}
		return false
	}
	if err != nil {
		return false
	}
	if oracleErr != nil {
		t.Fatalf("%x: ours accepts it, apache/thrift returns %v", b, oracleErr)
	}
	same(t, b, d.Events, o.events)
	for i, e := range d.Events {
		if cap(e.Body) != len(e.Body) || cap(e.Headers) != len(e.Headers) {
			t.Fatalf("%x: event %d: views have spare capacity", b, i)
		}
	}
	return true
}

// strange reports whether b may hold a number of the compact protocol with more bits or bytes than its type: five bytes
// in a row with the continuation bit, or four and a fifth that is too large.
func strange(b []byte) bool {
	run := 0
	for _, c := range b {
		if run == 4 && c >= 0x10 {
			return true
		}
		if run++; c < 0x80 {
			run = 0
		}
	}
	return false
}

func same(t *testing.T, b []byte, got, want []receiver.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%x: %d events, expected %d", b, len(got), len(want))
	}
	for i := range got {
		if receivertest.Show(got[i]) != receivertest.Show(want[i]) {
			t.Fatalf("%x: event %d is %s, expected %s", b, i, receivertest.Show(got[i]), receivertest.Show(want[i]))
		}
	}
}

// seeds reads hexadecimal seeds of one protocol, one for each line.
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

// FuzzCompact compares the decoder of the compact protocol with Apache's library: both find the same bodies and
// headers.
func FuzzCompact(f *testing.F) {
	seeds(f, "testdata/compact.txt")
	x := newPair(f, thriftclient.Compact)
	f.Fuzz(func(t *testing.T, b []byte) { x.compare(t, b) })
}

// FuzzBinary does the same for the binary protocol.
func FuzzBinary(f *testing.F) {
	seeds(f, "testdata/binary.txt")
	x := newPair(f, thriftclient.Binary)
	f.Fuzz(func(t *testing.T, b []byte) { x.compare(t, b) })
}

// FuzzMessage: Apache's library reads a message's head with the same result, and understands the replies to it.
func FuzzMessage(f *testing.F) {
	seeds(f, "testdata/messages.txt")
	f.Fuzz(func(t *testing.T, b []byte) {
		r := reader{b: b}
		m, err := r.message()
		if err != nil {
			return
		}
		p := thriftclient.Binary
		if m.compact {
			p = thriftclient.Compact
		}
		ctx := context.Background()
		in := protocolOn(p, &oracle.TMemoryBuffer{Buffer: bytes.NewBuffer(bytes.Clone(b))})
		name, typ, seqid, err := in.ReadMessageBegin(ctx)
		if err != nil || name != string(m.name) || typ != oracle.CALL || uint32(seqid) != m.seqid {
			t.Fatalf("%x: %+v, expected %q, %v, %d (%v)", b, m, name, typ, seqid, err)
		}
		answers := m.exception(m.ok(nil), unknownMethod, "no")
		out := protocolOn(p, oracle.NewTFramedTransportConf(oracle.NewStreamTransportR(bytes.NewReader(answers)), nil))
		var result flumethrift.BatchResult
		if err := oracle.NewTStandardClient(out, out).Recv(ctx, out, seqid, name, &result); err != nil || result.Status != statusOK {
			t.Fatalf("%x: got reply %x, %v; expected the status %v and no error", b, answers, err, statusOK)
		}
		var exception oracle.TApplicationException
		err = oracle.NewTStandardClient(out, out).Recv(ctx, out, seqid, name, &result)
		if !errors.As(err, &exception) || exception.TypeId() != oracle.UNKNOWN_METHOD || exception.Error() != "no" {
			t.Fatalf("%x: got reply %x, %v; expected UNKNOWN_METHOD", b, answers, err)
		}
	})
}

// The same with many small valid batches with some bytes changed, on every run of the tests.
func TestDecoder_mutatedBatches(t *testing.T) {
	t.Parallel()
	for _, p := range both {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			x := newPair(t, p)
			accepted, tries := 0, 30_000
			for range tries {
				es := make([]receiver.Event, rng.IntN(4))
				for i := range es {
					es[i].Body = make([]byte, rng.IntN(6))
					for range rng.IntN(3) {
						es[i].Headers = append(es[i].Headers, header(string(rune('a'+rng.IntN(3))), "value"[:rng.IntN(6)]))
					}
				}
				b := written(t, p, es)
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
				if x.compare(t, b) {
					accepted++
				}
			}
			if accepted < tries/10 || accepted > tries*9/10 {
				t.Errorf("%d of %d batches were valid: the mutations test too little; expected at least %v and at most %v", accepted, tries, tries/10, tries*9/10)
			}
		})
	}
}
