package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// AppendOrder appends a value that is not NULL, such that bytes.Compare orders values of one kind as the query language
// compares them, whatever follows. k is its kind, which is not that of a JSON field. Tables hold these bytes, so the
// encoding can never change.
func AppendOrder(dst []byte, v *value.Value, k value.Kind) []byte {
	switch k {
	case value.KindInt, value.KindDecimal:
		return row.AppendOrderNumber(dst, v.Number, int(v.Scale))
	case value.KindDouble:
		bits := math.Float64bits(v.Double() + 0) // -0 + 0 is 0
		if bits>>63 != 0 {
			return binary.BigEndian.AppendUint64(dst, ^bits)
		}
		return binary.BigEndian.AppendUint64(dst, bits|1<<63)
	case value.KindTime:
		return row.AppendKeyDatetime(dst, v.Micros())
	}
	return row.AppendKeyBytes(dst, v.Bytes)
}
