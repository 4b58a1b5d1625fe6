package kafkaio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// batchHead is the part of a record batch's header that a gap scan needs: Kafka's message format version 2, "Record
// Batch". Batches of versions 0 and 1 have no transactions and count as data.
type batchHead struct {
	first, last   int64 // offsets, both included
	leaderEpoch   int32
	producer      int64
	transactional bool
	control       bool
	abort         bool // a control batch that ends an aborted transaction
	records       int32
}

const (
	headBytes      = 61
	attrControl    = 0x20
	attrTxn        = 0x10
	attrCompressed = 0x07
)

var errBadBatch = errors.New("record batch cannot be read")

// nextBatch reads the first batch of b and returns the bytes after it. ok is false if b ends within the batch, which
// Kafka permits for the last batch of a response.
func nextBatch(b []byte) (h batchHead, rest []byte, ok bool, err error) {
	if len(b) < 17 {
		return h, nil, false, nil
	}
	length := int64(int32(binary.BigEndian.Uint32(b[8:])))
	if length < 5 {
		return h, nil, false, fmt.Errorf("%w: length %d", errBadBatch, length)
	}
	if int64(len(b)) < 12+length {
		return h, nil, false, nil
	}
	one, rest := b[:12+length], b[12+length:]
	h.first = int64(binary.BigEndian.Uint64(one))
	if magic := one[16]; magic < 2 {
		h.last, h.records, h.leaderEpoch = h.first, 1, -1
		return h, rest, true, nil
	}
	if len(one) < headBytes {
		return h, nil, false, fmt.Errorf("%w: got %d bytes, its header takes %d", errBadBatch, len(one), headBytes)
	}
	attrs := binary.BigEndian.Uint16(one[21:])
	delta := int32(binary.BigEndian.Uint32(one[23:]))
	h.last = h.first + int64(delta)
	h.leaderEpoch = int32(binary.BigEndian.Uint32(one[12:]))
	h.producer = int64(binary.BigEndian.Uint64(one[43:]))
	h.records = int32(binary.BigEndian.Uint32(one[57:]))
	h.transactional, h.control = attrs&attrTxn != 0, attrs&attrControl != 0
	if delta < 0 || h.first < 0 || h.last < h.first || h.records < 0 {
		return h, nil, false, fmt.Errorf("%w: first offset %d, last offset delta %d, %d records", errBadBatch, h.first, delta, h.records)
	}
	if h.control && attrs&attrCompressed == 0 {
		h.abort = isAbort(one[headBytes:])
	}
	return h, rest, true, nil
}

// isAbort reads the key of a control batch's only record: version and type, 16 bits each. Type 0 is abort.
func isAbort(record []byte) bool {
	for i := range 4 { // length, attributes, timestamp delta, offset delta
		n := 1
		if i != 1 {
			if _, n = binary.Varint(record); n <= 0 {
				return false
			}
		}
		if len(record) < n {
			return false
		}
		record = record[n:]
	}
	size, n := binary.Varint(record)
	if n <= 0 || size < 4 || int64(len(record)-n) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(record[n+2:]) == 0
}

// aborted distinguishes the batches of aborted transactions from others (KIP-98): for each producer ID, the first
// offsets of its aborted transactions in ascending order, as fetch responses list them. A transaction ends with the
// producer's abort marker.
type aborted map[int64][]int64

func (a aborted) add(producer, first int64) {
	if at, found := slices.BinarySearch(a[producer], first); !found {
		a[producer] = slices.Insert(a[producer], at, first)
	}
}

// holds reports whether h belongs to an aborted transaction. It must be called for every batch in offset order, because
// it removes the transactions that h ends.
func (a aborted) holds(h batchHead) bool {
	firsts := a[h.producer]
	if len(firsts) == 0 {
		return false
	}
	if h.control {
		if h.abort && h.first >= firsts[0] {
			a[h.producer] = firsts[1:]
		}
		return false
	}
	return h.transactional && h.first >= firsts[0]
}
