package netserver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"github.com/sluice-etl/sluice/receiver"
)

// Inflate is whether and how far zlib streams are taken. What a stream inflates to is never held: it goes into frames,
// which are bounded by Limits.MaxFrameBytes and the bytes in flight; the ratio bounds the work that few bytes can make.
type Inflate struct {
	Enabled bool
	// MaxRatio bounds how many bytes may come out of one, over a connection, once a MiB has (Option-max-inflate-ratio).
	// Logs make 5 to 30; zlib's most is 1,032. The default is 500.
	MaxRatio int
}

// ratioFrom is how much comes out of a stream before its ratio counts: short ones say little.
const ratioFrom = 1 << 20

// inflater reads a zlib stream (RFC 1950) whose writer flushes after each message, as Flume's deflate does, and writes
// one. A stream that ends without its checksum is no error, for Flume's clients may end so. It is read by one
// goroutine and written to by one at a time. It holds about 45 KiB.
type inflater struct {
	net.Conn
	in     *counter
	z      io.Reader // nil before the first Read
	out    bytes.Buffer
	begun  bool // the header was written
	made   int64
	max    int64
	option string
}

func newInflater(conn net.Conn, maxRatio int, option string) *inflater {
	return &inflater{Conn: conn, in: &counter{r: conn}, max: int64(maxRatio), option: option}
}

// Read reads what was deflated.
func (z *inflater) Read(p []byte) (int, error) {
	if z.z == nil {
		r, err := zlib.NewReader(bufio.NewReaderSize(z.in, 4<<10))
		if err != nil {
			return 0, zlibError(err, z.in)
		}
		z.z = r
	}
	n, err := z.z.Read(p)
	z.made += int64(n)
	if z.made > ratioFrom && z.made > z.max*z.in.n {
		return 0, receiver.Reject(receiver.ReasonBomb, "%d bytes inflated to %d, a ratio above 1 to %d: if these are logs, raise %s", z.in.n, z.made, z.max, z.option)
	}
	if n > 0 {
		return n, nil // an error comes again
	}
	return 0, zlibError(err, z.in)
}

// Write deflates p and flushes. It keeps no state between calls: answers are short, and a compressor's 650 KiB for
// each connection would be a high price for them.
func (z *inflater) Write(p []byte) (int, error) {
	z.out.Reset()
	if !z.begun {
		z.begun = true
		z.out.Write([]byte{0x78, 0x9c})
	}
	if err := flate.StatelessDeflate(&z.out, p, false, nil); err != nil {
		return 0, err
	}
	if _, err := z.Conn.Write(z.out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// counter counts what it reads.
type counter struct {
	r     io.Reader
	n     int64
	ended bool
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.ended = c.ended || errors.Is(err, io.EOF)
	return n, err
}

// zlibError makes a refusal of a broken stream; the connection's own errors stay as they are.
func zlibError(err error, in *counter) error {
	var network net.Error
	var rejected *receiver.RejectError
	switch {
	case err == nil, errors.As(err, &rejected), errors.As(err, &network), errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case in.ended:
		return io.EOF
	}
	return receiver.Reject(receiver.ReasonZlib, "the zlib stream is corrupt: %w", err)
}
