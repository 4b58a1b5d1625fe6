package sqltext

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/sluice-etl/sluice/row"
)

// Literals are written for a session whose sql_mode has neither NO_BACKSLASH_ESCAPES nor ANSI_QUOTES and whose
// character set is utf8mb4: the pool sets that and reads it back.

// AppendText appends a quoted string. In utf8mb4 no byte of a multi-byte character is a quote or a backslash.
func AppendText[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, '\'')
	from := 0
	for i := 0; i < len(v); i++ {
		var e byte
		switch v[i] {
		case 0:
			e = '0'
		case '\'', '\\':
			e = v[i]
		case '\n':
			e = 'n'
		case '\r':
			e = 'r'
		case 0x1a:
			e = 'Z'
		default:
			continue
		}
		dst = append(dst, v[from:i]...)
		dst = append(dst, '\\', e)
		from = i + 1
	}
	dst = append(dst, v[from:]...)
	return append(dst, '\'')
}

// AppendBytes appends a binary string in hexadecimal.
func AppendBytes(dst, v []byte) []byte {
	dst = append(dst, "x'"...)
	dst = hex.AppendEncode(dst, v)
	return append(dst, '\'')
}

// AppendName appends an identifier in backticks.
func AppendName(dst []byte, name string) []byte {
	dst = append(dst, '`')
	for i := 0; i < len(name); i++ {
		if name[i] == '`' {
			dst = append(dst, '`')
		}
		dst = append(dst, name[i])
	}
	return append(dst, '`')
}

// AppendTableName appends a table's quoted name, with its schema if it has one.
func AppendTableName(dst []byte, t *row.Table) []byte {
	if t.Schema != "" {
		dst = append(AppendName(dst, t.Schema), '.')
	}
	return AppendName(dst, t.Name)
}

// AppendDatetime appends a quoted time in UTC, with six digits of the fraction if it is not zero.
func AppendDatetime(dst []byte, micros int64) []byte {
	t := time.UnixMicro(micros).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, '\'')
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, ' '), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	if us := t.Nanosecond() / 1000; us != 0 {
		dst = appendDigits(append(dst, '.'), us, 6)
	}
	return append(dst, '\'')
}

func appendDigits(dst []byte, n, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(n), 10)
	for i := len(text); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendDouble appends a number that is read back as the same bits. A value that MySQL cannot store becomes a text that
// it rejects.
func appendDouble(dst []byte, bits uint64) []byte {
	f := math.Float64frombits(bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(strconv.AppendFloat(append(dst, '\''), f, 'g', -1, 64), '\'')
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}

// AppendCell appends a cell outside the key.
func AppendCell(dst []byte, r *row.Rows, c *row.Column, cell *row.Cell) []byte {
	if !cell.Set {
		return append(dst, "NULL"...)
	}
	switch c.Kind {
	case row.Int:
		return cell.AppendText(dst, 0)
	case row.Decimal:
		return cell.AppendText(dst, c.Scale)
	case row.Double:
		return appendDouble(dst, cell.Lo)
	case row.Datetime:
		return AppendDatetime(dst, int64(cell.Lo))
	case row.Text:
		return AppendText(dst, r.Bytes(cell))
	}
	return AppendBytes(dst, r.Bytes(cell))
}

// AppendKeyPart appends the first value of key, and returns the rest of key. For a NULL it appends the value that stands
// for it. If c is Nullable, AppendKeyNull takes the rest.
func AppendKeyPart(dst []byte, c *row.Column, key, scratch []byte) (out, rest []byte) {
	switch c.Kind {
	case row.Int, row.Decimal:
		n, rest := row.KeyNumber(key)
		scale := c.Scale
		if c.Kind == row.Int {
			scale = 0
		}
		return n.AppendText(dst, scale), rest
	case row.Datetime:
		micros, rest := row.KeyDatetime(key)
		return AppendDatetime(dst, micros), rest
	case row.Text:
		v, rest := row.KeyBytes(scratch[:0], key)
		return AppendText(dst, v), rest
	}
	v, rest := row.KeyBytes(scratch[:0], key)
	return AppendBytes(dst, v), rest
}

// AppendKeyNull appends 1 if the value of a Nullable column before key is NULL, else 0, and returns the rest of key.
func AppendKeyNull(dst, key []byte) (out, rest []byte) {
	null, rest := row.KeyNull(key)
	if null {
		return append(dst, '1'), rest
	}
	return append(dst, '0'), rest
}
