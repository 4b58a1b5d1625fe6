package kafkaio

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Batch holds the records of one request in reused slices, so that a record costs no allocation here. One goroutine
// owns it until it is passed to Produce, and the producer owns it from then on. Keys, values and headers are views of
// the request's frame.
type Batch struct {
	// Unlimited means that Produce waits for Kafka until its context is done, if that has no deadline.
	Unlimited bool

	keyHeader string
	recs      []kgo.Record
	starts    []int32 // where each record's headers begin in headers
	headers   []kgo.RecordHeader

	// The producer's fields.
	ptrs      []*kgo.Record   // records for the shared client
	rejected  []rejection     // records to produce singly, or to write as dead letters
	overLimit []limitExceeded // records that become dead letters without being produced
	bytes     int64
	dead      int // how many records became dead letters
	release   func()
	err       error // the first failure that is not handled by a dead letter
	state     atomic.Int32
	done      chan struct{} // holds one token once state is stateDone
}

// The states of a Batch. It leaves statePending exactly once: when its records are done or when Produce stops
// waiting.
const (
	statePending   int32 = iota
	stateDone            // every record is acknowledged or failed, and Produce returns the result
	stateAbandoned       // Produce has returned; finish recycles the batch
)

// rejection is a record that the shared client did not write. err is nil if its size was found too large before
// producing.
type rejection struct {
	rec *kgo.Record
	err error
}

// limitExceeded is a record that exceeds a limit of its receiver.
type limitExceeded struct {
	at            int // index in recs
	label, reason string
	dropped       int // headers left out
}

// Dead marks the record added last as a dead letter: it is never produced to the data topic. label is the value of the
// metric's label, reason the text of the header [HeaderReason], dropped how many of its headers were left out.
func (b *Batch) Dead(label, reason string, dropped int) {
	b.overLimit = append(b.overLimit, limitExceeded{len(b.recs) - 1, label, reason, dropped})
}

// Add adds a record. value is its Kafka value, a view; an empty one is an empty value, never a tombstone.
func (b *Batch) Add(value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.recs = append(b.recs, kgo.Record{Value: value})
	b.starts = append(b.starts, int32(len(b.headers)))
}

// Header adds a header to the record added last. Both are views. The value of the header named by Config.KeyHeader also
// becomes the Kafka key.
func (b *Batch) Header(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	name := unsafe.String(unsafe.SliceData(key), len(key)) //nolint:gosec // G103: nothing else writes to the frame before release (P29)
	b.headers = append(b.headers, kgo.RecordHeader{Key: name, Value: value})
	b.Key(key, value)
}

// Key sets value, a view, as the Kafka key of the record added last if key is the name in Config.KeyHeader. It adds no
// header.
func (b *Batch) Key(key, value []byte) {
	if b.keyHeader != "" && string(key) == b.keyHeader {
		if value == nil {
			value = []byte{}
		}
		b.recs[len(b.recs)-1].Key = value
	}
}

// Len returns the number of records.
func (b *Batch) Len() int { return len(b.recs) }

// prepare sets the records' headers and splits them by size: a record of more than limit bytes goes to rejected. The
// slices do not grow afterwards, so pointers into them stay valid.
func (b *Batch) prepare(topic string, limit int64) {
	b.starts = append(b.starts, int32(len(b.headers)))
	overLimit := b.overLimit
	for i := range b.recs {
		r := &b.recs[i]
		r.Topic = topic
		from, to := b.starts[i], b.starts[i+1]
		r.Headers = b.headers[from:to:to]
		b.bytes += userBytes(r)
		if len(overLimit) > 0 && overLimit[0].at == i {
			overLimit = overLimit[1:]
			continue
		}
		if batchBytes(r) > limit {
			b.rejected = append(b.rejected, rejection{rec: r})
			continue
		}
		b.ptrs = append(b.ptrs, r)
	}
}

// reset empties the batch for the next request and keeps no reference to this one's memory.
func (b *Batch) reset() {
	b.Unlimited = false
	clear(b.recs)
	clear(b.headers)
	clear(b.ptrs)
	clear(b.rejected)
	b.overLimit = b.overLimit[:0]
	b.recs, b.starts, b.headers = b.recs[:0], b.starts[:0], b.headers[:0]
	b.ptrs, b.rejected = b.ptrs[:0], b.rejected[:0]
	b.bytes, b.dead, b.release, b.err = 0, 0, nil, nil
	b.state.Store(statePending)
}

func userBytes(r *kgo.Record) int64 {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return int64(n)
}

// batchBytes returns the size of a record batch that holds only r, uncompressed: Kafka's format, "Record Batch" and
// "Record". 61 is the batch header; 16 is the maximum of a record's length, attributes, time and offset deltas. The
// client computes the same size and rejects a record whose size is not below its limit.
func batchBytes(r *kgo.Record) int64 {
	n := 61 + 16 + 1 + varint(len(r.Key)) + len(r.Key) + varint(len(r.Value)) + len(r.Value) + varint(len(r.Headers))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varint(len(h.Key)) + len(h.Key) + varint(len(h.Value)) + len(h.Value)
	}
	return int64(n)
}

// varint returns how many bytes a length takes as a zigzag varint.
func varint(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }
