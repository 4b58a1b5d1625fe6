package avro

import (
	"encoding/binary"

	"github.com/sluice-etl/sluice/internal/avrobin"
)

// Replies have the buffers that Avro's Java server makes: the handshake, empty where none is due; the call metadata;
// the error flag and the result.

// appendReply appends the frame that answers serial.
func appendReply(dst []byte, serial uint32, buffers ...[]byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, serial)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(buffers)))
	for _, b := range buffers {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
		dst = append(dst, b...)
	}
	return dst
}

var (
	noMeta   = []byte{0}
	statusOK = []byte{0, 0} // no error, Status OK
)

// systemError is the result of a request that nobody carried out: the error union's branch 0, a string.
func systemError(text string) []byte { return avrobin.AppendBytes([]byte{1, 0}, text) }
