// Package zlibconn has connections whose bytes are zlib streams, as Flume deflates them.
package zlibconn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// ratioFrom is how many bytes come out of a stream before its ratio is checked, because that of short streams varies.
const ratioFrom = 1 << 20

// Conn reads and writes zlib streams (RFC 1950) whose writer flushes after each message, as Flume's deflate does. A
// stream that ends without its checksum is no error, because those of Flume's clients may. One goroutine may read while
// another writes. It holds about 45 KiB.
type Conn struct {
	net.Conn
	in    *counter
	z     io.Reader // nil before the first Read
	out   bytes.Buffer
	begun bool   // the stream's header was written
	made  int64  // bytes that came out
	max   int64  // the ratio
	limit string // the name of the ratio's option
}

// New returns a Conn over conn. It rejects a stream of which one byte inflates to more than maxRatio bytes on average,
// once a MiB has come out. limit is the name of the option that sets maxRatio.
func New(conn net.Conn, maxRatio int, limit string) *Conn {
	return &Conn{Conn: conn, in: &counter{r: conn}, max: int64(maxRatio), limit: limit}
}

// Read returns inflated bytes.
func (z *Conn) Read(p []byte) (int, error) {
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
		return 0, receiver.Reject(receiver.ReasonBomb, "%d bytes inflated to %d, a ratio above 1 to %d: if these are logs, raise %s", z.in.n, z.made, z.max, option.Ref(z.limit))
	}
	if n > 0 {
		return n, nil // the next Read returns the error again
	}
	return 0, zlibError(err, z.in)
}

// Write deflates p and flushes. It keeps no state between calls, because replies are short and do not justify the 650
// KiB of a compressor for each connection.
func (z *Conn) Write(p []byte) (int, error) {
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

// zlibError turns the error of a corrupt stream into a rejection; the connection's own errors are returned unchanged.
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
