package receiver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sluice-etl/sluice/internal/option"
)

// bufferSizes are the sizes of a frame's buffer as bytes arrive; beyond the last one the size doubles. Buffers of
// these sizes are kept for the next frame, and larger ones are left to the garbage collector.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}

// maxKeptSlots bounds the event and header slots that a frame keeps for the next one: 3 MiB of each.
const maxKeptSlots = 1 << 16

const (
	eventSize  = int(unsafe.Sizeof(Event{}))
	headerSize = int(unsafe.Sizeof(Header{}))
)

// Frames is a pool of frames and their memory, which is charged to the bytes in flight while a frame is in use. It is
// safe for concurrent use.
type Frames struct {
	admission *Admission
	bytes     [len(bufferSizes)]sync.Pool // of *[]byte
	frames    sync.Pool                   // of *Frame
}

// NewFrames returns an empty pool.
func NewFrames(a *Admission) *Frames { return &Frames{admission: a} }

// Frame is the memory of one request: its bytes as they arrived, and the events that were found in them, in slices that
// are reused for the next frame. All of it is charged to the bytes in flight, and grows with what arrived and was
// found, never with what was announced. From Append to Release it belongs to the Appender (P29); before that it belongs
// to one goroutine.
type Frame struct {
	Bytes    []byte    // its capacity is charged; [Frame.Grow] makes it larger
	Events   []Event   // views of Bytes and Headers
	Headers  []Header  // of all events, one after the other
	First    time.Time // when the request's first byte arrived
	Deadline time.Time // when its events must be in Kafka; zero for no limit

	// ctx ends waits for memory. It is the context of Begin, and is stored as an http.Request stores its context: a
	// Frame exists for one request, and every decoder that grows it would otherwise have to pass ctx on.
	ctx   context.Context
	box   *[]byte
	more  *[]byte // the buffer that Memory returned
	moved bool    // events are views of header slots that Headers no longer uses
	lease Lease
	pool  *Frames
	held  atomic.Bool // false once released
}

// Begin returns a frame for a request whose first byte arrived at first. extra is the number of bytes that the caller
// holds for it beside the frame, which are charged too. The error is a [RejectError] if no memory was available before
// the deadline (zero means none), and ctx's if ctx is done.
func (p *Frames) Begin(ctx context.Context, first, deadline time.Time, extra int) (*Frame, error) {
	f, _ := p.frames.Get().(*Frame)
	if f == nil {
		f = &Frame{pool: p}
	}
	f.ctx, f.First, f.Deadline = ctx, first, deadline
	f.held.Store(true)
	f.Reset()
	p.admission.Begin(&f.lease)
	kept := extra + bufferSizes[0] + cap(f.Events)*eventSize + cap(f.Headers)*headerSize
	if err := f.Charge(kept); err != nil {
		f.Release()
		return nil, err
	}
	f.Bytes, f.box = p.take(bufferSizes[0])
	return f, nil
}

// Charge charges n more bytes to the bytes in flight; Release returns them.
func (f *Frame) Charge(n int) error {
	err := f.lease.Grow(f.ctx, f.Deadline, int64(n))
	if errors.Is(err, ErrNoMemory) {
		return Reject(ReasonMemory, "%w within %s: raise %s, or check why Kafka is slow", err, option.Ref("ack-timeout"), option.Ref("max-bytes-in-flight"))
	}
	return err
}

// Grow moves Bytes, which must be full, to a buffer of the next size. So memory follows what has arrived, not what was
// announced. Earlier views of Bytes are invalid afterwards.
func (f *Frame) Grow() error {
	size := 2 * cap(f.Bytes)
	for _, s := range bufferSizes {
		if s > cap(f.Bytes) {
			size = s
			break
		}
	}
	if err := f.Charge(size - cap(f.Bytes)); err != nil {
		return err
	}
	larger, box := f.pool.take(size)
	larger = append(larger, f.Bytes...)
	f.pool.put(f.box)
	f.Bytes, f.box = larger, box
	return nil
}

// Memory implements [Request.Memory]: it returns an empty buffer with room for n bytes, charged as the frame is and
// returned with it.
func (f *Frame) Memory(n int) ([]byte, error) {
	size := n
	for _, s := range bufferSizes {
		if s >= n {
			size = s
			break
		}
	}
	if err := f.Charge(size); err != nil {
		return nil, err
	}
	var b []byte
	b, f.more = f.pool.take(size)
	return b, nil
}

// Request returns the frame's events for an Appender, which owns the frame from then on (P29). peerClosed is
// [Request.PeerClosed].
func (f *Frame) Request(peerClosed func() bool) Request {
	return Request{Events: f.Events, Release: f.Release, Memory: f.Memory, PeerClosed: peerClosed}
}

// Reset removes the events; the capacity of the slices stays.
func (f *Frame) Reset() { f.Events, f.Headers = f.Events[:0], f.Headers[:0] }

// GrowHeaders makes room for n more headers. n must be within a limit, and at most the number of bytes that arrived.
func (f *Frame) GrowHeaders(n int) error {
	if len(f.Headers)+n <= cap(f.Headers) {
		return nil
	}
	if len(f.Events) > 0 { // they are views of the old slots, which therefore live until Release
		if err := f.Charge(cap(f.Headers) * headerSize); err != nil {
			return err
		}
		f.moved = true
	}
	var err error
	f.Headers, err = grow(f, f.Headers, n, headerSize)
	return err
}

// GrowEvents makes room for one more event.
func (f *Frame) GrowEvents() error {
	if len(f.Events) < cap(f.Events) {
		return nil
	}
	var err error
	f.Events, err = grow(f, f.Events, 1, eventSize)
	return err
}

// grow makes room for n more items, and at least doubles the capacity.
func grow[T any](f *Frame, s []T, n, size int) ([]T, error) {
	more := max(n, cap(s), 64)
	if err := f.Charge(more * size); err != nil {
		return s, err
	}
	larger := make([]T, len(s), cap(s)+more) // exactly what was charged; slices.Grow may allocate more
	copy(larger, s)
	return larger, nil
}

// Release returns all memory of the frame. It is the Release of the frame's request: it is called exactly once, from
// any goroutine, and the frame and its views must not be used afterwards.
func (f *Frame) Release() {
	if !f.held.CompareAndSwap(true, false) {
		panic("BUG: a request was released twice")
	}
	switch {
	case cap(f.Events) > maxKeptSlots:
		f.Events = nil
	case f.box == nil || f.moved: // old views would keep memory alive that is not pooled
		clear(f.Events[:cap(f.Events)])
	}
	switch {
	case cap(f.Headers) > maxKeptSlots:
		f.Headers = nil
	case f.box == nil:
		clear(f.Headers)
	}
	f.moved = false
	f.pool.put(f.box)
	f.pool.put(f.more)
	f.Bytes, f.box, f.more, f.ctx = nil, nil, nil, nil
	f.lease.Release()
	f.pool.frames.Put(f)
}

// take returns an empty buffer of one of bufferSizes, or larger than the last of them.
func (p *Frames) take(size int) ([]byte, *[]byte) {
	for i, s := range bufferSizes {
		if s == size {
			if box, _ := p.bytes[i].Get().(*[]byte); box != nil {
				return (*box)[:0], box
			}
			b := make([]byte, 0, size)
			return b, &b
		}
	}
	return make([]byte, 0, size), nil
}

// put keeps a buffer that take returned.
func (p *Frames) put(box *[]byte) {
	if box == nil {
		return
	}
	for i, s := range bufferSizes {
		if s == cap(*box) {
			p.bytes[i].Put(box)
		}
	}
}
