package row

import (
	"slices"
	"unicode/utf8"
)

// lacksCharacter reports whether text holds a character that a MySQL character set does not have. It knows the
// character sets that are common in old tables. For any other set it returns false: there the server finds such
// characters (P18).
func lacksCharacter(charset string, text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		c, size := utf8.DecodeRune(text[i:])
		i += size
		switch charset {
		case "ascii":
			return true
		case "latin1":
			if !latin1(c) {
				return true
			}
		case "utf8", "utf8mb3", "ucs2":
			if c > 0xffff {
				return true
			}
		}
	}
	return false
}

// latin1 reports whether MySQL's latin1 holds a character that is not ASCII. It is Windows-1252, in which the five
// bytes without a character stand for the control characters of their own numbers.
func latin1(c rune) bool {
	return c >= 0xa0 && c <= 0xff || slices.Contains(inWindows1252, c)
}

var inWindows1252 = []rune{
	0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
}
