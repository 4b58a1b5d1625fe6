package avro

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// readAhead is the size of the buffer between socket and frame. It is small, because every connection has one while it
// reads a frame.
const readAhead = 16 << 10

// frame is one request. Its Bytes are the message: the concatenated buffers.
type frame struct {
	netserver.Request
	serial uint32
}

// input reads NettyDataPack frames from a connection (NettyTransportCodec of Avro's ipc-netty):
//
//	int32 serial, int32 listSize, listSize times { int32 length, length bytes }
//
// all big-endian. It holds no buffer while it waits for a frame. It is not safe for concurrent use.
type input struct {
	conn  io.Reader
	cfg   *Config
	pool  *sync.Pool    // of *bufio.Reader
	ahead *bufio.Reader // nil between frames, unless it holds bytes of the next one
	head  [8]byte       // serial and listSize of the frame being read
	have  int           // how many bytes of head were read
	any   bool          // a complete frame was read before
}

// wait blocks until the first byte of the next frame has arrived. io.EOF means that the connection ended between
// frames.
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

// read reads the frame whose first byte wait has seen into f.
func (in *input) read(f *frame) error {
	if in.ahead == nil {
		in.ahead, _ = in.pool.Get().(*bufio.Reader)
		if in.ahead == nil {
			in.ahead = bufio.NewReaderSize(nil, readAhead)
		}
		in.ahead.Reset(in.conn)
	}
	if _, err := io.ReadFull(in.ahead, in.head[in.have:]); err != nil {
		return netserver.UnexpectedEOF(err)
	}
	f.serial = binary.BigEndian.Uint32(in.head[:])
	list := binary.BigEndian.Uint32(in.head[4:])
	if list == 0 || list > uint32(in.cfg.MaxListLength) {
		return in.implausible(list)
	}
	total := int64(0)
	for range list {
		length, err := in.length()
		if err != nil {
			return err
		}
		total += int64(length)
		if err := in.cfg.CheckFrame(total); err != nil {
			return err
		}
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

// idle returns the read-ahead buffer to the pool.
func (in *input) idle() {
	if in.ahead != nil {
		in.ahead.Reset(nil)
		in.pool.Put(in.ahead)
		in.ahead = nil
	}
}

func (in *input) length() (uint32, error) {
	b, err := in.ahead.Peek(4)
	if err != nil {
		return 0, netserver.UnexpectedEOF(err)
	}
	n := binary.BigEndian.Uint32(b)
	_, err = in.ahead.Discard(4)
	return n, err
}

// buffer appends length bytes to the message.
func (in *input) buffer(f *frame, length int) error {
	for length > 0 {
		have := len(f.Bytes)
		if have == cap(f.Bytes) {
			if err := f.Grow(); err != nil {
				return err
			}
		}
		n, err := in.ahead.Read(f.Bytes[have:min(cap(f.Bytes), have+length)])
		f.Bytes = f.Bytes[:have+n]
		length -= n
		if err != nil {
			return netserver.UnexpectedEOF(err)
		}
	}
	return nil
}

// hints say what to do, by the reason of SniffProtocol.
var hints = map[string]string{
	receiver.ReasonHTTP:    "use the right port; health and metrics are at " + option.Ref("admin-listen"),
	receiver.ReasonTLS:     "this port accepts plain connections only; set ssl = false in the Avro sink, or set " + option.Ref("avro.tls-cert"),
	receiver.ReasonZlib:    "the data was deflated twice; set compression-type = deflate or none in the Avro sink",
	receiver.ReasonThrift:  "use Flume's Avro sink, or point the Thrift sink at " + option.Ref("thrift.listen"),
	receiver.ReasonProxy:   "turn the PROXY protocol off in the load balancer",
	receiver.ReasonText:    "use Flume's Avro sink, or etl send, to send lines",
	receiver.ReasonUnknown: "this port accepts only Flume's Avro sink and etl send",
}

// implausible returns why a head cannot be that of a frame: for the first bytes of a connection the protocol that they
// look like, and otherwise the limit that it exceeds.
func (in *input) implausible(list uint32) error {
	if !in.any {
		seen, _ := in.ahead.Peek(min(in.ahead.Buffered(), 16))
		b := append(in.head[:], seen...)
		if reason, looks := netserver.SniffProtocol(b); hints[reason] != "" {
			return receiver.Reject(reason, "the first bytes (% x) look like %s, expected Flume's Avro RPC frames: %s", b[:8], looks, hints[reason])
		}
	}
	if list == 0 {
		return receiver.Malformed("a frame without buffers (listSize 0)")
	}
	return receiver.LimitExceeded(reasonListLength, "buffers in a frame", "avro.max-list-length", int64(list), in.cfg.MaxListLength)
}
