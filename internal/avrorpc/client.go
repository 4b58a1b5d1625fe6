// Package avrorpc is the client side of Avro's IPC over Netty's frames (specification, "Protocol Wire Format" and
// "Handshake"), as Flume's Avro sink uses it with a source, and Spark's receiver with a SparkSink.
//
// A frame is int32 serial, int32 listSize, listSize times { int32 length, bytes }, big-endian; its message is the
// concatenated buffers. Until a handshake was answered BOTH or CLIENT, each request begins with one. Replies are
// matched by their serials, because servers from Avro 1.10 on reply out of order.
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

// Hash is the MD5 of a protocol's text, by which the handshake identifies protocols.
type Hash [16]byte

// HashOf returns the hash of a text.
func HashOf(text string) Hash { return md5.Sum([]byte(text)) }

// Protocol is the protocol of a client.
type Protocol struct {
	Text   string // compact JSON, as Avro renders it; shown to servers that do not know its hash
	Server Hash   // the assumed hash of the server's protocol, until its handshake says otherwise
	Show   bool   // send the text with the first call, for servers that cannot know its hash
	// Verify checks the text of a server whose protocol is another one; nil accepts any.
	Verify func(text []byte) error
	// MaxReply bounds the bytes of a reply; a larger one is an error before memory is taken for it.
	MaxReply int
}

// SystemError is the reply of a server that did not carry out a call. The connection can be used further.
type SystemError struct{ Text string }

// Error returns the server's text.
func (e *SystemError) Error() string { return "the server replied with an error: " + e.Text }

// maxText is how many bytes are kept of a text for logs; a reply may have as many as MaxReply.
const maxText = 4 << 10

// CutText copies a text of the server, and truncates it to 4 KiB with a note of its length.
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

// TooLargeError is a reply of more bytes than Protocol.MaxReply.
type TooLargeError struct{ Announced, Most int64 }

// Error names both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the reply exceeds %d bytes: at least %d are announced", e.Most, e.Announced)
}

// Grow returns b, which is full, with more capacity and the same contents; b is nil at first. Its error ends the
// reading.
type Grow func(b []byte) ([]byte, error)

// Client makes calls over one connection. The first call of a connection must have its reply before the second is made.
// The client sets no deadlines: the caller bounds reads and writes by those of the connection. After any error but a
// SystemError the connection is of no use. It is not safe for concurrent use.
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

// New returns a client on a new connection. Nothing is sent before the first call.
func New(conn io.ReadWriter, p Protocol) *Client {
	return &Client{conn: conn, in: bufio.NewReader(conn), p: p, own: HashOf(p.Text), sendText: p.Show}
}

// Start makes a call and does not wait; args appends the call's arguments. Wait returns its serial.
func (c *Client) Start(message string, args func(dst []byte) []byte) (serial uint32, err error) {
	if !c.established && c.pending > 0 {
		return 0, errors.New("the connection's first request has no reply yet")
	}
	c.begin(message)
	c.out = args(c.out)
	return c.serial, c.write()
}

// Wait waits for the next reply, which may be that of any call in flight, and returns its serial and its result: a view
// on memory that grow returned. A first call that had to be repeated, because the server did not know our protocol, is
// returned with the later of its serials.
func (c *Client) Wait(grow Grow) (serial uint32, result []byte, err error) {
	for {
		if c.pending == 0 {
			return 0, nil, errors.New("no request is in flight")
		}
		serial, reply, err := c.read(grow)
		if err != nil {
			return 0, nil, err
		}
		at := 0
		if !c.established {
			next, again, err := c.handshake(reply)
			if err != nil {
				return 0, nil, err
			}
			c.pending--
			if again { // the server needs our protocol's text: repeat the call
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
		result, err = outcome(reply, at)
		return serial, result, err
	}
}

// First blocks until a reply's first byte has arrived.
func (c *Client) First() error {
	_, err := c.in.Peek(1)
	return err
}

// begin starts a frame, up to its arguments. It has two buffers, as in Java's client.
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

// read reads one reply's message. Memory grows with the bytes that arrive, not with announced lengths.
func (c *Client) read(grow Grow) (serial uint32, reply []byte, err error) {
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
			return 0, nil, unexpectedEOF(err)
		}
		if total += int64(binary.BigEndian.Uint32(head[:])); total > int64(c.p.MaxReply) {
			return 0, nil, &TooLargeError{total, int64(c.p.MaxReply)}
		}
		for length := int64(binary.BigEndian.Uint32(head[:])); length > 0; {
			if len(reply) == cap(reply) {
				if reply, err = grow(reply); err != nil {
					return 0, nil, err
				}
			}
			have := len(reply)
			n, err := c.in.Read(reply[have:min(int64(cap(reply)), int64(have)+length)])
			reply = reply[:have+n]
			length -= int64(n)
			if err != nil {
				return 0, nil, unexpectedEOF(err)
			}
		}
	}
	return serial, reply, nil
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// handshake reads the HandshakeResponse at the head of a reply; again means that the call was not carried out.
func (c *Client) handshake(reply []byte) (at int, again bool, err error) {
	const none = 2
	bad := errors.New("the reply holds no handshake")
	match, at := avrobin.ReadLong(reply, 0)
	if at < 0 || match < 0 || match > none {
		return 0, false, bad
	}
	var text []byte
	for field := range 3 { // serverProtocol, serverHash, meta: each a union with null
		set, next := avrobin.ReadOptional(reply, at)
		if at = next; at < 0 {
			return 0, false, bad
		}
		if !set {
			continue
		}
		switch field {
		case 0:
			text, at = avrobin.ReadBytes(reply, at)
		case 1:
			if len(reply)-at < len(c.p.Server) {
				return 0, false, bad
			}
			at += copy(c.p.Server[:], reply[at:])
		case 2:
			at = avrobin.SkipMap(reply, at)
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

// outcome returns what follows the call metadata at reply[at:]: the result, or a system error.
func outcome(reply []byte, at int) ([]byte, error) {
	at = avrobin.SkipMap(reply, at)
	if at < 0 || at >= len(reply) {
		return nil, errors.New("the reply holds no result")
	}
	if reply[at] == 0 {
		return reply[at+1:], nil
	}
	text := "unknown"
	if branch, at := avrobin.ReadLong(reply, at+1); at > 0 && branch == 0 {
		if t, at := avrobin.ReadBytes(reply, at); at > 0 {
			text = CutText(t)
		}
	}
	return nil, &SystemError{Text: text}
}
