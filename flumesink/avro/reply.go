package avro

import (
	"encoding/binary"

	"github.com/sluice-etl/sluice/internal/avrobin"
)

// Replies have the same buffers as those of Avro's Java server: the handshake, which is empty after the first; the call
// metadata; the error flag and the result.

// appendReply appends the frame of the reply to serial.
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

// systemError returns the result of a request that failed: branch 0 of the error union, a string.
func systemError(text string) []byte { return avrobin.AppendBytes([]byte{1, 0}, text) }
