package format

import (
	"strconv"
	"strings"
	"testing"
)

func TestIsDottedDigits(t *testing.T) {
	t.Parallel()
	const after = ` - - [17/May/2015:10:05:03 +0000]`
	for c := range 256 {
		for n := 1; n <= 16; n++ {
			for at := range n {
				host := []byte("203.0.113.255:80")[:n]
				copy(host, "203.0.113.255.80")
				host[at] = byte(c)
				line := append(host, after...)
				want := c >= '0' && c <= '9' || c == '.'
				if got := isDottedDigits(line, n); got != want {
					t.Fatalf("isDottedDigits(%q) is %v, expected %v", line[:n], got, want)
				}
			}
		}
	}
	for _, host := range []string{"", "1", "1.2.3.4", "12345678901234567"} {
		if isDottedDigits([]byte(host), len(host)) {
			t.Errorf("isDottedDigits(%q) is true; it must not read beyond its argument, nor check more than 16 bytes", host)
		}
	}
}

func TestLeadingNumber(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{
		"", "0", "7", "10", "00", "123", "9999", "12345", "654321", "7654321", "87654321", "987654321", "1234567890",
		"000000001", "999999999999999999",
	} {
		for _, after := range []string{"", " ", "-", ` "-" "agent"`, "/23456789", ":23456789", "\x00\xff\x80\xb9\xb0 ......"} {
			want := uint64(0)
			if digits != "" {
				var err error
				if want, err = strconv.ParseUint(digits, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
			if n, count := leadingNumber([]byte(digits + after)); n != want || count != len(digits) {
				t.Errorf("leadingNumber(%q) is %d of %d digits, expected %d of %d", digits+after, n, count, want, len(digits))
			}
		}
	}
	for c := range 256 {
		if strings.ContainsRune("0123456789", rune(c)) {
			continue
		}
		for at := range 8 {
			b := []byte("12345678 ")
			b[at] = byte(c)
			want, _ := strconv.ParseUint(string(b[:at]), 10, 64)
			if n, count := leadingNumber(b); n != want || count != at {
				t.Errorf("leadingNumber(%q) is %d of %d digits, expected %d of %d", b, n, count, want, at)
			}
		}
	}
}
