package avro

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/flumesink"
)

// A frame's buffer goes up these sizes as bytes arrive, and beyond the last by doubling. Buffers of these sizes are
// kept for the next frame, larger ones are left to the garbage collector.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}

// readAhead is the size of the buffer between socket and frame: small, since every connection within a frame has one.
const readAhead = 16 << 10

// maxKeptSlots bounds the event and header slots that a frame keeps for the next one: 3 MiB of each.
const maxKeptSlots = 1 << 16

// buffers keeps frames and their memory between uses. It is safe for concurrent use.
type buffers struct {
	bytes   [len(bufferSizes)]sync.Pool // of *[]byte
	frames  sync.Pool                   // of *frame
	readers sync.Pool                   // of *bufio.Reader
}

// frame is one request's message and the views on it. From Append to Release it belongs to the Appender (P29).
type frame struct {
	decoder
	serial   uint32
	message  []byte // the buffers' bytes, one after the other
	box      *[]byte
	lease    flumesink.Lease
	deadline time.Time // first byte + ack-timeout
	first    time.Time
	pool     *buffers
	held     atomic.Bool // false once released
}

// begin takes a frame whose first byte has just arrived.
func (p *buffers) begin(ctx context.Context, cfg *Config, admission *flumesink.Admission, now time.Time) (*frame, error) {
	f, _ := p.frames.Get().(*frame)
	if f == nil {
		f = &frame{pool: p}
	}
	f.cfg, f.first, f.deadline = cfg, now, now.Add(cfg.AckTimeout)
	f.charge = func(n int) error { return f.lease.Grow(ctx, f.deadline, int64(n)) }
	f.held.Store(true)
	admission.Begin(&f.lease)
	kept := readAhead + bufferSizes[0] + cap(f.events)*eventSize + cap(f.headers)*headerSize
	if err := f.charge(kept); err != nil {
		f.release()
		return nil, memoryError(err)
	}
	f.message, f.box = p.take(bufferSizes[0])
	return f, nil
}

// take gives an empty buffer of one of bufferSizes, or of more than the last.
func (p *buffers) take(size int) ([]byte, *[]byte) {
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

// put keeps a buffer that take gave.
func (p *buffers) put(box *[]byte) {
	if box == nil {
		return
	}
	for i, s := range bufferSizes {
		if s == cap(*box) {
			p.bytes[i].Put(box)
		}
	}
}

// release gives all memory of the frame back. It is the Release of the frame's request: called exactly once, from any
// goroutine; nobody may look at the frame or at its views afterwards.
func (f *frame) release() {
	if !f.held.CompareAndSwap(true, false) {
		panic("BUG: a request was released twice")
	}
	if cap(f.events) > maxKeptSlots {
		f.events = nil
	}
	if cap(f.headers) > maxKeptSlots {
		f.headers = nil
	}
	if f.box == nil { // a buffer that is not kept must not be held by old views
		clear(f.events)
		clear(f.headers)
	}
	f.pool.put(f.box)
	f.message, f.box = nil, nil
	f.lease.Release()
	f.pool.frames.Put(f)
}

// room makes the full buffer larger by one size: as much as has arrived, not as much as was announced.
func (f *frame) room() error {
	size := 2 * cap(f.message)
	for _, s := range bufferSizes {
		if s > cap(f.message) {
			size = s
			break
		}
	}
	if err := f.charge(size - cap(f.message)); err != nil {
		return memoryError(err)
	}
	larger, box := f.pool.take(size)
	larger = append(larger, f.message...)
	f.pool.put(f.box)
	f.message, f.box = larger, box
	return nil
}

func memoryError(err error) error {
	if errors.Is(err, flumesink.ErrNoMemory) {
		return &refusal{reasonMemory, fmt.Errorf("%w within ack-timeout: raise --max-bytes-in-flight, or see why Kafka is slow", err)}
	}
	return err
}

// input reads NettyDataPack frames from a connection (NettyTransportCodec of Avro's ipc-netty):
//
//	int32 serial, int32 listSize, listSize times { int32 length, length bytes }
//
// all big-endian. While it waits for a frame it holds no buffer. It is unsafe for concurrent use.
type input struct {
	conn  net.Conn
	pool  *buffers
	ahead *bufio.Reader // nil between frames, unless the next one is in it
	head  [8]byte       // serial and listSize of the frame being read
	have  int           // bytes in head
	any   bool          // a whole frame was read before
}

// wait blocks until the first byte of the next frame is there. io.EOF means that the connection ended between frames.
func (in *input) wait() error {
	in.have = 0
	if in.ahead != nil {
		return nil
	}
	n, err := in.conn.Read(in.head[:])
	in.have = n
	if n > 0 {
		return nil
	}
	return err
}

// read reads the frame that wait saw begin into f.
func (in *input) read(f *frame) error {
	if in.ahead == nil {
		in.ahead, _ = in.pool.readers.Get().(*bufio.Reader)
		if in.ahead == nil {
			in.ahead = bufio.NewReaderSize(nil, readAhead)
		}
		in.ahead.Reset(in.conn)
	}
	if _, err := io.ReadFull(in.ahead, in.head[in.have:]); err != nil {
		return within(err)
	}
	f.serial = binary.BigEndian.Uint32(in.head[:])
	list := binary.BigEndian.Uint32(in.head[4:])
	if list == 0 || list > uint32(f.cfg.MaxListLength) {
		return in.implausible(list, f.cfg.MaxListLength)
	}
	total := 0
	for range list {
		length, err := in.length()
		if err != nil {
			return err
		}
		if int64(total)+int64(length) > int64(f.cfg.MaxFrameBytes) {
			return tooMuch(reasonFrameBytes, "bytes in a frame", "--avro-max-frame-bytes", int64(total)+int64(length), f.cfg.MaxFrameBytes)
		}
		total += int(length)
		if err := in.buffer(f, int(length)); err != nil {
			return err
		}
	}
	in.any = true
	if in.ahead.Buffered() == 0 {
		in.idle()
	}
	return nil
}

// idle gives the read-ahead buffer back.
func (in *input) idle() {
	if in.ahead != nil {
		in.ahead.Reset(nil)
		in.pool.readers.Put(in.ahead)
		in.ahead = nil
	}
}

func (in *input) length() (uint32, error) {
	b, err := in.ahead.Peek(4)
	if err != nil {
		return 0, within(err)
	}
	n := binary.BigEndian.Uint32(b)
	_, err = in.ahead.Discard(4)
	return n, err
}

// buffer appends length bytes to the message.
func (in *input) buffer(f *frame, length int) error {
	for length > 0 {
		have := len(f.message)
		if have == cap(f.message) {
			if err := f.room(); err != nil {
				return err
			}
		}
		n, err := in.ahead.Read(f.message[have:min(cap(f.message), have+length)])
		f.message = f.message[:have+n]
		length -= n
		if err != nil {
			return within(err)
		}
	}
	return nil
}

// implausible says what a head that cannot be a frame's looks like.
func (in *input) implausible(list uint32, limit int) error {
	if !in.any {
		seen, _ := in.ahead.Peek(min(in.ahead.Buffered(), 16))
		if err := sniff(append(in.head[:], seen...)); err != nil {
			return err
		}
	}
	if list == 0 {
		return malformed("a frame of no buffers (listSize 0)")
	}
	return tooMuch(reasonListLength, "buffers in a frame", "--avro-max-list-length", int64(list), limit)
}

// within makes the end of the connection within a frame an error of its own.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
