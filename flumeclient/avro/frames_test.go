package avro

import (
	"encoding/binary"
	"testing"

	"go.uber.org/goleak"

	avroreceiver "github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What servers reply with: the values of enum HandshakeMatch, empty call metadata, and no error with Status OK.
var (
	matchClient = byte(0x02)
	matchNone   = byte(0x04)
	noMeta      = []byte{0}
	statusOK    = []byte{0, 0}
)

// ownHash is that of Flume's protocol.
var ownHash = avrorpc.HashOf(flumeavro.ProtocolText)

// frameOf returns a frame of these buffers.
func frameOf(serial uint32, buffers ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, serial)
	b = binary.BigEndian.AppendUint32(b, uint32(len(buffers)))
	for _, buffer := range buffers {
		b = binary.BigEndian.AppendUint32(b, uint32(len(buffer)))
		b = append(b, buffer...)
	}
	return b
}

// firstCall returns the frame of an appendBatch that begins a connection.
func firstCall(serial uint32, es []receiver.Event) []byte {
	head := append(append(append([]byte(nil), ownHash[:]...), 0), ownHash[:]...)
	return frameOf(serial, avrobin.AppendBytes(append(head, 2, 0, 0), "appendBatch"), flumeavro.AppendEvents(nil, es))
}

// okLater returns the reply OK to a request that is not a connection's first.
func okLater(serial uint32) []byte { return frameOf(serial, nil, noMeta, statusOK) }

// systemError returns the result of a request that was not carried out.
func systemError(text string) []byte { return avrobin.AppendBytes([]byte{1, 0}, text) }

// handshake returns a server's HandshakeResponse with its protocol and hash.
func handshake(match byte, hash avrorpc.Hash) []byte {
	b := avrobin.AppendBytes([]byte{match, 2}, flumeavro.ProtocolText)
	return append(append(append(b, 2), hash[:]...), 0)
}

// onAnyPort makes a receiver on a free port.
func onAnyPort(rt receiver.Runtime) receiver.Receiver {
	cfg := avroreceiver.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	return avroreceiver.New(cfg, rt)
}
