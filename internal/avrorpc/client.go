// Package avrorpc is the client's side of Avro's IPC over Netty's frames (specification, "Protocol Wire Format" and
// "Handshake"): what Flume's Avro sink says to a source, and what Spark's receiver says to a SparkSink.
//
// A frame is int32 serial, int32 listSize, listSize times { int32 length, bytes }, big-endian; its message is the
// buffers' bytes, one after the other. Until a handshake was answered BOTH or CLIENT each request begins with one. An
// answer is found by its serial, for servers from Avro 1.10 on answer out of order.
package avrorpc

import (
	"bufio"
	"crypto/md5" //nolint:gosec // the hash that Avro's handshake defines; nothing is protected by it
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/internal/avrobin"
)

// Hash is the MD5 of a protocol's text: how the handshake names protocols.
type Hash [16]byte

// HashOf is the hash of a text.
func HashOf(text string) Hash { return md5.Sum([]byte(text)) }

// Protocol is what a client speaks.
type Protocol struct {
	Text   string // compact JSON, as Avro renders it; shown to servers that do not know its hash
	Server Hash   // what the server's is taken for, until it says otherwise
	Show   bool   // show the text with the first call, to servers that cannot know its hash
	// Verify looks at the text of a server whose protocol is another one; nil takes any.
	Verify func(text []byte) error
	// MaxAnswer bounds the bytes of an answer; a larger one is an error before anything of it is taken.
	MaxAnswer int
}

// SystemError is the answer of a server that did not carry a call out. The connection can be used further.
type SystemError struct{ Text string }

// Error is the server's text.
func (e *SystemError) Error() string { return "the server replied with an error: " + e.Text }

// maxText is the bytes that are kept of a text which is shown to people: an answer may have as many as MaxAnswer.
const maxText = 4 << 10

// CutText copies a text of the server's, and says so where it leaves something out.
func CutText(b []byte) string {
	if len(b) <= maxText {
		return string(b)
	}
	cut := maxText
	for cut > maxText-utf8.UTFMax && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", b[:cut], len(b))
}

// TooLargeError is an answer of more bytes than Protocol.MaxAnswer.
type TooLargeError struct{ Announced, Most int64 }

// Error names both.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the reply exceeds %d bytes: at least %d are announced", e.Most, e.Announced)
}

// Room gives b, which is full, more capacity and the same contents; b is nil at first. Its error ends the reading.
type Room func(b []byte) ([]byte, error)

// Client makes calls over one connection. The first call of a connection must be answered before the second is made.
// It sets no deadlines: the caller bounds reads and writes by the connection's. After any error but a SystemError the
// connection is of no use. It is unsafe for concurrent use.
type Client struct {
	conn io.Writer
	in   *bufio.Reader
	p    Protocol
	own  Hash

	serial      uint32
	pending     int
	established bool
	sendText    bool // the server did not know our hash

	out     []byte // the last request's frame
	message string // its message
	args    int    // where its arguments begin
}

// New makes a client on a fresh connection. Nothing is sent before the first call.
func New(conn io.ReadWriter, p Protocol) *Client {
	return &Client{conn: conn, in: bufio.NewReader(conn), p: p, own: HashOf(p.Text), sendText: p.Show}
}

// Pending is the calls that have no answer yet.
func (c *Client) Pending() int { return c.pending }

// Established reports whether the handshake is done.
func (c *Client) Established() bool { return c.established }

// Start makes a call and does not wait; args appends the call's arguments. Its serial comes back from Wait.
func (c *Client) Start(message string, args func(dst []byte) []byte) (serial uint32, err error) {
	if !c.established && c.pending > 0 {
		return 0, errors.New("the connection's first request has no reply yet")
	}
	c.begin(message)
	c.out = args(c.out)
	return c.serial, c.write()
}

// Wait waits for the next answer, which may be that of any call under way, and returns its serial and its result: a
// view on memory that room gave. A first call that had to be repeated, because the server did not know our protocol,
// comes back under the later of its serials.
func (c *Client) Wait(room Room) (serial uint32, result []byte, err error) {
	for {
		if c.pending == 0 {
			return 0, nil, errors.New("no request is in flight")
		}
		serial, answer, err := c.read(room)
		if err != nil {
			return 0, nil, err
		}
		at := 0
		if !c.established {
			next, again, err := c.handshake(answer)
			if err != nil {
				return 0, nil, err
			}
			c.pending--
			if again { // the server wants our protocol's text: the same call once more
				args := append([]byte(nil), c.out[c.args:]...)
				c.begin(c.message)
				c.out = append(c.out, args...)
				if err := c.write(); err != nil {
					return 0, nil, err
				}
				continue
			}
			at, c.established = next, true
		} else {
			c.pending--
		}
		result, err = outcome(answer, at)
		return serial, result, err
	}
}

// First blocks until an answer's first byte has arrived.
func (c *Client) First() error {
	_, err := c.in.Peek(1)
	return err
}

// begin starts a frame, up to where its arguments begin. Its two buffers are those of Java's client.
func (c *Client) begin(message string) {
	c.serial++
	b := binary.BigEndian.AppendUint32(c.out[:0], c.serial)
	b = binary.BigEndian.AppendUint32(b, 2)
	b = append(b, 0, 0, 0, 0)
	head := len(b)
	if !c.established {
		b = append(b, c.own[:]...)
		if c.sendText {
			b = avrobin.AppendBytes(append(b, 2), c.p.Text)
		} else {
			b = append(b, 0)
		}
		b = append(b, c.p.Server[:]...)
		b = append(b, 2, 0) // meta: an empty map
	}
	b = append(b, 0) // call metadata
	b = avrobin.AppendBytes(b, message)
	binary.BigEndian.PutUint32(b[head-4:], uint32(len(b)-head))
	b = append(b, 0, 0, 0, 0)
	c.out, c.args, c.message = b, len(b), message
}

func (c *Client) write() error {
	binary.BigEndian.PutUint32(c.out[c.args-4:], uint32(len(c.out)-c.args))
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	c.pending++
	return nil
}

// read reads one answer's message. Announced lengths cost nothing: memory grows with what arrives.
func (c *Client) read(room Room) (serial uint32, answer []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	serial = binary.BigEndian.Uint32(head[:])
	list := binary.BigEndian.Uint32(head[4:])
	if list == 0 || list > 1<<16 {
		return 0, nil, fmt.Errorf("a reply of %d buffers: is this Avro RPC, without TLS and compression?", list)
	}
	total := int64(0)
	for range list {
		if _, err := io.ReadFull(c.in, head[:4]); err != nil {
			return 0, nil, within(err)
		}
		if total += int64(binary.BigEndian.Uint32(head[:])); total > int64(c.p.MaxAnswer) {
			return 0, nil, &TooLargeError{total, int64(c.p.MaxAnswer)}
		}
		for length := int64(binary.BigEndian.Uint32(head[:])); length > 0; {
			if len(answer) == cap(answer) {
				if answer, err = room(answer); err != nil {
					return 0, nil, err
				}
			}
			have := len(answer)
			n, err := c.in.Read(answer[have:min(int64(cap(answer)), int64(have)+length)])
			answer = answer[:have+n]
			length -= int64(n)
			if err != nil {
				return 0, nil, within(err)
			}
		}
	}
	return serial, answer, nil
}

func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// handshake reads the HandshakeResponse at the head of an answer; again means that nothing was carried out.
func (c *Client) handshake(answer []byte) (at int, again bool, err error) {
	const none = 2
	bad := errors.New("the reply holds no handshake")
	match, at := avrobin.ReadLong(answer, 0)
	if at < 0 || match < 0 || match > none {
		return 0, false, bad
	}
	var text []byte
	for field := range 3 { // serverProtocol, serverHash, meta: each a union with null
		set, next := avrobin.ReadOptional(answer, at)
		if at = next; at < 0 {
			return 0, false, bad
		}
		if !set {
			continue
		}
		switch field {
		case 0:
			text, at = avrobin.ReadBytes(answer, at)
		case 1:
			if len(answer)-at < len(c.p.Server) {
				return 0, false, bad
			}
			at += copy(c.p.Server[:], answer[at:])
		case 2:
			at = avrobin.SkipMap(answer, at)
		}
		if at < 0 {
			return 0, false, bad
		}
	}
	if text != nil && c.p.Verify != nil {
		if err := c.p.Verify(text); err != nil {
			return 0, false, err
		}
	}
	if match == none {
		if c.sendText {
			return 0, false, errors.New("the server does not accept our protocol")
		}
		c.sendText = true
		return at, true, nil
	}
	return at, false, nil
}

// outcome is what follows the call metadata at answer[at:]: the result, or a system error.
func outcome(answer []byte, at int) ([]byte, error) {
	at = avrobin.SkipMap(answer, at)
	if at < 0 || at >= len(answer) {
		return nil, errors.New("the reply holds no result")
	}
	if answer[at] == 0 {
		return answer[at+1:], nil
	}
	text := "unknown"
	if branch, at := avrobin.ReadLong(answer, at+1); at > 0 && branch == 0 {
		if t, at := avrobin.ReadBytes(answer, at); at > 0 {
			text = CutText(t)
		}
	}
	return nil, &SystemError{Text: text}
}
