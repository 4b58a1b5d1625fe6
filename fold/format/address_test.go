package format

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// IPv4 accepts the same addresses as the standard library, without allocating its error.
func TestIsIPv4(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 0))
	const letters = "0123455..9a"
	taken := 0
	check := func(s string) {
		a, err := netip.ParseAddr(s)
		if want := err == nil && a.Is4(); isIPv4([]byte(s)) != want {
			t.Errorf("%q: %v, expected %v", s, !want, want)
		} else if want {
			taken++
		}
	}
	for _, s := range []string{"1.2.3.4", "255.255.255.255", "256.1.1.1", "01.2.3.4", "0.0.0.0", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "cafe.bad.de.ed", "00.1.1.1", "1.2.3.4 "} {
		check(s)
	}
	for range 300_000 {
		b := make([]byte, 5+random.IntN(9))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		check(string(b))
	}
	if taken < 300 {
		t.Errorf("%d were accepted, too few for a test, expected at least 300", taken)
	}
}

// Everything that the short way accepts is an address, for any bytes, and it accepts the notation that servers write.
func TestIsPlainIPv6(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"2001:db8::1", "2001:db8::", "1:2:3:4:5:6:7:8", "fe80::A:b", "1::8", "1:2:3:4:5:6:7::"} {
		if !isPlainIPv6([]byte(s)) {
			t.Errorf("%q is not accepted", s)
		}
	}
	const seed, letters = 1, "0afF::::12g.%"
	random := rand.New(rand.NewPCG(seed, 0))
	taken := 0
	for range 300_000 {
		b := make([]byte, 2+random.IntN(18))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		if !isPlainIPv6(b) {
			continue
		}
		taken++
		if a, err := netip.ParseAddr(string(b)); err != nil || !a.Is6() {
			t.Fatalf("%q is accepted: %v", b, err)
		}
	}
	if taken < 100 {
		t.Errorf("%d were accepted, too few for a test, expected at least 100", taken)
	}
}
