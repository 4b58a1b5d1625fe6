package avro

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the hash that Avro's handshake defines; nothing is protected by it
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/avro"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// hash is the MD5 of a protocol's text: how Avro's handshake names protocols.
type hash [16]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// protocolText is Flume's protocol exactly as Avro's own compiler renders flume.avdl (Protocol.toString): the licence
// in the file's head comment is its doc, and so part of the hash. Every Flume 1.x has this text, so that its senders
// are answered BOTH at once.
//
//go:embed protocol.json
var protocolText string

// maxProtocolText bounds the text that a sender may supply; Flume's has 1,334 bytes.
const maxProtocolText = 64 << 10

// maxKnownProtocols bounds the hashes that are remembered; beyond it a sender supplies its text once per connection.
const maxKnownProtocols = 1000

// protocols is the hashes whose protocols encode events as Flume's does. It is safe for concurrent use.
type protocols struct {
	own hash

	mu    sync.Mutex // guards known
	known map[hash]bool
}

func newProtocols() *protocols {
	own := hash(md5.Sum([]byte(protocolText)))
	return &protocols{own: own, known: map[hash]bool{own: true}}
}

func (p *protocols) knows(h hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[h]
}

// learn verifies a sender's protocol. It is remembered under its hash where the hash is that of the text: else anybody
// could give another sender's hash a meaning.
func (p *protocols) learn(h hash, text []byte) error {
	if len(text) > maxProtocolText {
		return fmt.Errorf("the sender's protocol text has %d bytes, the limit is %d", len(text), maxProtocolText)
	}
	if err := verifyProtocol(text); err != nil {
		return fmt.Errorf("the sender's protocol %s is not Flume's: %w", h, err)
	}
	if h == hash(md5.Sum(text)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.known) < maxKnownProtocols {
			p.known[h] = true
		}
	}
	return nil
}

// verifyProtocol reports whether events and Status of another protocol are the same bytes as in ours. Names and docs
// may differ, since they are not on the wire.
func verifyProtocol(text []byte) error {
	var p struct {
		Namespace string            `json:"namespace"`
		Types     []json.RawMessage `json:"types"`
		Messages  map[string]struct {
			Request []struct {
				Type json.RawMessage `json:"type"`
			} `json:"request"`
			Response json.RawMessage `json:"response"`
			OneWay   bool            `json:"one-way"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	type field struct {
		Name string          `json:"name"`
		Type json.RawMessage `json:"type"`
	}
	var fields []field
	for i, t := range p.Types {
		fields = append(fields, field{fmt.Sprintf("type%d", i), t})
	}
	var names []string
	for _, name := range []string{"append", "appendBatch"} {
		m, ok := p.Messages[name]
		if !ok {
			continue
		}
		if len(m.Request) != 1 || m.OneWay {
			return fmt.Errorf("message %s: want one parameter and an answer", name)
		}
		names = append(names, name)
		fields = append(fields, field{name + "_request", m.Request[0].Type}, field{name + "_response", m.Response})
	}
	if len(names) == 0 {
		return errors.New("it has neither append nor appendBatch")
	}
	// One record around all types: so that the protocol's namespace holds for each, and later ones see earlier ones.
	whole, err := json.Marshal(map[string]any{
		"type": "record", "name": "SluiceProtocol_", "namespace": p.Namespace, "fields": fields,
	})
	if err != nil {
		return err
	}
	schema, err := avro.Parse(string(whole))
	if err != nil {
		return err
	}
	for _, f := range schema.Root().ExpandReferences().Fields {
		name, part, ok := strings.Cut(f.Name, "_")
		switch {
		case !ok:
			continue
		case part == "response" && !isStatus(&f.Type):
			return fmt.Errorf("message %s: the response is not enum {OK, FAILED, UNKNOWN}", name)
		case part == "request" && name == "append" && !isEvent(&f.Type),
			part == "request" && name == "appendBatch" && (f.Type.Type != "array" || !isEvent(f.Type.Items)):
			return fmt.Errorf("message %s: events are not record {map<string> headers, bytes body}", name)
		}
	}
	return nil
}

func isStatus(n *avro.SchemaNode) bool {
	return n.Type == "enum" && slices.Equal(n.Symbols, []string{"OK", "FAILED", "UNKNOWN"})
}

func isEvent(n *avro.SchemaNode) bool {
	return n.Type == "record" && len(n.Fields) == 2 &&
		n.Fields[0].Name == "headers" && n.Fields[0].Type.Type == "map" && n.Fields[0].Type.Values.Type == "string" &&
		n.Fields[1].Name == "body" && n.Fields[1].Type.Type == "bytes"
}

// handshake is org.apache.avro.ipc.HandshakeRequest as views on the frame.
type handshake struct {
	clientHash hash
	clientText []byte // nil where the sender left it out
	serverHash hash
}

// readHandshake reads a HandshakeRequest at the head of b and returns the offset after it.
func readHandshake(b []byte) (h handshake, at int, err error) {
	bad := func(what string) (handshake, int, error) {
		return handshake{}, 0, flumesink.Malformed("handshake: bad %s", what)
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

// match decides the answer to a handshake (Avro specification, "Handshake"; Responder.handshake of Avro's Java). An
// error means that the sender's protocol is known and not Flume's.
func (p *protocols) match(h *handshake) (byte, error) {
	var err error
	if !p.knows(h.clientHash) {
		if h.clientText == nil {
			return matchNone, nil
		}
		err = p.learn(h.clientHash, bytes.Clone(h.clientText))
	}
	if h.serverHash == p.own {
		return matchBoth, err
	}
	return matchClient, err
}

// appendHandshake appends a HandshakeResponse. Text and hash are left out for BOTH, and Java's client needs them for
// anything else.
func (p *protocols) appendHandshake(dst []byte, match byte) []byte {
	if match == matchBoth {
		return append(dst, matchBoth, 0, 0, 0)
	}
	dst = append(dst, match, 2)
	dst = avrobin.AppendBytes(dst, protocolText)
	dst = append(dst, 2)
	dst = append(dst, p.own[:]...)
	return append(dst, 0)
}
