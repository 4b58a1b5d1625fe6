package format

import (
	"encoding/binary"
	"math/bits"
)

// The functions of this file look at eight bytes of a line at a time. A loop over the bytes of a host or a number ends
// after a length that the processor cannot predict, and each wrong prediction costs as much as ten bytes do.

const (
	highBits = 0x8080808080808080
	lowBits  = ^uint64(highBits)
	zeros    = 0x3030303030303030 // eight digits 0
	points   = 0x2e2e2e2e2e2e2e2e // eight points
	quotes   = 0x2222222222222222 // eight double quotes
)

// notDigits has the high bit of each byte of w set that is no ASCII digit; the other bits are undefined.
func notDigits(w uint64) uint64 {
	d := w ^ zeros                                   // a digit's byte is at most 9
	return d | (d&lowBits + (0x80-10)*(highBits>>7)) // a carry into the high bit where it is more
}

// notPoints has the high bit of each byte of w set that is no point; the other bits are undefined.
func notPoints(w uint64) uint64 {
	d := w ^ points
	return d | (d&lowBits + lowBits)
}

// isDottedDigits reports whether b[:n] holds digits and points only, as IPv4 addresses do. It may report false for what
// is longer than 16 bytes, or has fewer than 16 bytes in b.
func isDottedDigits(b []byte, n int) bool {
	if n > 16 || len(b) < 16 {
		return false
	}
	first, second := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	bad := [2]uint64{notDigits(first) & notPoints(first) & highBits, notDigits(second) & notPoints(second) & highBits}
	if n <= 8 {
		return bad[0]<<(64-8*n) == 0
	}
	return bad[0]|bad[1]<<(128-8*n) == 0
}

// quoteWithin8 returns the index of the first quote in the first 8 bytes of b; 8 if there is none, or b is shorter.
func quoteWithin8(b []byte) int {
	if len(b) < 8 {
		return 8
	}
	w := binary.LittleEndian.Uint64(b) ^ quotes
	return bits.TrailingZeros64((w-highBits>>7) & ^w & highBits) / 8
}

// leadingNumber reads the decimal digits at the beginning of b and returns their number and count. Above 18 digits the
// number is undefined.
func leadingNumber(b []byte) (number uint64, digits int) {
	if len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		if bad := notDigits(w) & highBits; bad != 0 {
			digits = bits.TrailingZeros64(bad) / 8
			w = (w ^ zeros) << (64 - 8*digits) // zeros in front of the digits; all of them where there is no digit
			w = (w*10 + w>>8) & 0x00ff00ff00ff00ff
			w = (w*100 + w>>16) & 0x0000ffff0000ffff
			return (w*10000 + w>>32) & 0xffffffff, digits
		}
	}
	for digits < len(b) && b[digits]-'0' < 10 {
		number = number*10 + uint64(b[digits]-'0')
		digits++
	}
	return number, digits
}
