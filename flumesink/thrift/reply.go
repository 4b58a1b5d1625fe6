package thrift

import "encoding/binary"

// statusOK is flume.thrift's Status OK. Flume's numbers in Thrift differ from those in Avro.
const statusOK = 0

// Types of TApplicationException, Thrift's reply to a call that cannot be carried out.
const (
	unknownMethod = 1
	protocolError = 7
)

// ok appends the frame that replies OK to the call.
func (m *message) ok(dst []byte) []byte {
	dst, at := m.begin(dst, messageReply)
	dst = m.number(dst, 0, statusOK) // field 0 is the call's result
	return end(dst, at)
}

// exception appends the frame that replies to the call with a TApplicationException.
func (m *message) exception(dst []byte, typ int32, text string) []byte {
	dst, at := m.begin(dst, messageException)
	if m.compact {
		dst = append(dst, 1<<4|8) // field 1, binary
		dst = binary.AppendUvarint(dst, uint64(len(text)))
	} else {
		dst = append(dst, byte(kindString), 0, 1)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	}
	dst = append(dst, text...)
	dst = m.number(dst, 2, typ)
	return end(dst, at)
}

// begin appends room for the length and the head of a message. at is where the message begins.
func (m *message) begin(dst []byte, typ byte) (b []byte, at int) {
	dst = append(dst, 0, 0, 0, 0)
	at = len(dst)
	if m.compact {
		dst = append(dst, compactID, typ<<5|compactVersion)
		dst = binary.AppendUvarint(dst, uint64(m.seqid))
		dst = binary.AppendUvarint(dst, uint64(len(m.name)))
		return append(dst, m.name...), at
	}
	dst = append(dst, 0x80, 1, 0, typ)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.name)))
	dst = append(dst, m.name...)
	return binary.BigEndian.AppendUint32(dst, m.seqid), at
}

// number appends a field of type i32. In the compact protocol the number of field 0 follows the field's header, and
// field 2 must follow field 1.
func (m *message) number(dst []byte, id byte, n int32) []byte {
	if !m.compact {
		dst = append(dst, byte(kindI32), 0, id)
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	const i32 = 5
	if id == 0 {
		dst = append(dst, i32, 0)
	} else {
		dst = append(dst, 1<<4|i32)
	}
	return binary.AppendUvarint(dst, uint64(uint32(n<<1)^uint32(n>>31)))
}

// end ends the struct, and fills in the length.
func end(dst []byte, at int) []byte {
	dst = append(dst, byte(kindStop))
	binary.BigEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
	return dst
}
