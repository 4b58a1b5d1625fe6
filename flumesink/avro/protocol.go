package avro

import (
	"crypto/md5" //nolint:gosec // the hash that Avro's handshake defines; nothing is protected by it
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/receiver"
)

// hash is the MD5 of a protocol's text, by which Avro's handshake identifies protocols.
type hash [16]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// maxKnownProtocols bounds the known hashes. With more of them, a sender sends its text once for each connection.
const maxKnownProtocols = 1000

// protocols holds the hashes of protocols that encode events as Flume's does. It is safe for concurrent use.
type protocols struct {
	own hash

	mu    sync.Mutex // guards known
	known map[hash]bool
}

func newProtocols() *protocols {
	own := hash(md5.Sum([]byte(flumeavro.ProtocolText)))
	return &protocols{own: own, known: map[hash]bool{own: true}}
}

func (p *protocols) knows(h hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[h]
}

// learn verifies a sender's protocol; wrong is why it is not Flume's. Its cost is charged to f first, and err is that
// of waiting for memory. A protocol becomes known under its hash only if that is the hash of the text: otherwise a
// sender could define the protocol of another sender's hash.
func (p *protocols) learn(f *receiver.Frame, h hash, text []byte) (wrong, err error) {
	cost, wrong := flumeavro.Cost(text)
	if wrong == nil {
		if err := f.Charge(cost); err != nil {
			return nil, err
		}
		wrong = flumeavro.Verify(text)
	}
	if wrong != nil {
		return fmt.Errorf("the sender's protocol %s is not Flume's: %w", h, wrong), nil
	}
	if h == hash(md5.Sum(text)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.known) < maxKnownProtocols {
			p.known[h] = true
		}
	}
	return nil, nil
}

// handshake is org.apache.avro.ipc.HandshakeRequest as views of the frame.
type handshake struct {
	clientHash hash
	clientText []byte // nil if the sender omitted it
	serverHash hash
}

// readHandshake reads a HandshakeRequest at the head of b and returns the offset after it.
func readHandshake(b []byte) (h handshake, at int, err error) {
	bad := func(what string) (handshake, int, error) {
		return handshake{}, 0, receiver.Malformed("handshake: bad %s", what)
	}
	if len(b) < len(h.clientHash) {
		return bad("clientHash")
	}
	at = copy(h.clientHash[:], b)
	set, at := avrobin.ReadOptional(b, at)
	switch {
	case at < 0:
		return bad("clientProtocol")
	case set:
		if h.clientText, at = avrobin.ReadBytes(b, at); at < 0 {
			return bad("clientProtocol")
		}
	}
	if len(b)-at < len(h.serverHash) {
		return bad("serverHash")
	}
	at += copy(h.serverHash[:], b[at:])
	set, at = avrobin.ReadOptional(b, at)
	switch {
	case at < 0:
		return bad("meta")
	case set:
		if at = avrobin.SkipMap(b, at); at < 0 {
			return bad("meta")
		}
	}
	return h, at, nil
}

// The values of enum HandshakeMatch on the wire.
const (
	matchBoth   = 0x00
	matchClient = 0x02
	matchNone   = 0x04
)

// match returns the HandshakeMatch of the reply to a handshake (Avro specification, "Handshake"; Responder.handshake of
// Avro's Java). wrong is why the sender's protocol is not Flume's; err is that of waiting for memory.
func (p *protocols) match(f *receiver.Frame, h *handshake) (answer byte, wrong, err error) {
	if !p.knows(h.clientHash) {
		if h.clientText == nil {
			return matchNone, nil, nil
		}
		if wrong, err = p.learn(f, h.clientHash, h.clientText); err != nil {
			return 0, nil, err
		}
	}
	if h.serverHash == p.own {
		return matchBoth, wrong, nil
	}
	return matchClient, wrong, nil
}

// appendHandshake appends a HandshakeResponse. Text and hash are omitted for BOTH, and required by Java's client for
// any other match.
func (p *protocols) appendHandshake(dst []byte, match byte) []byte {
	if match == matchBoth {
		return append(dst, matchBoth, 0, 0, 0)
	}
	dst = append(dst, match, 2)
	dst = avrobin.AppendBytes(dst, flumeavro.ProtocolText)
	dst = append(dst, 2)
	dst = append(dst, p.own[:]...)
	return append(dst, 0)
}
