package funcs

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// An address is read and written as package net/netip does, except for IPv4 addresses with zeros in front, which MySQL
// accepts, for one group of zeros, which MySQL writes as ::, and for IPv4-compatible addresses, of which MySQL writes the
// end as an IPv4 address.
func FuzzIP(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "01.2.3.004", "::", "::1", "::1.2.3.4", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:0:0:4:0:0:7:8", "fe80::1%eth0", "1::2::3", ":", "1:2:3:4:5:6:1.2.3.4", "10.0.0.0/8", "::ffff:0:0/96"} {
		f.Add(s, uint8(24))
	}
	f.Fuzz(func(t *testing.T, s string, bits uint8) {
		checkIP(t, s, int(bits))
	})
}

// checkIP reports whether s is an address, and compares what is made of it with package net/netip.
func checkIP(t *testing.T, s string, bits int) bool {
	a, ok := parseIP([]byte(s))
	want, err := netip.ParseAddr(s)
	isIP := err == nil && want.Zone() == ""
	if !ok {
		if isIP {
			t.Errorf("%q is not accepted, expected %s", s, want)
		}
		return false
	}
	if !isIP {
		octets := strings.Split(s[strings.LastIndexByte(s, ':')+1:], ".")
		if len(octets) != 4 {
			t.Fatalf("%q: got %v, expected that it is no address: %v", s, a, err)
		}
		for i, octet := range octets { // zeros in front
			if octets[i] = strings.TrimLeft(octet, "0"); octets[i] == "" {
				octets[i] = "0"
			}
		}
		if want, err = netip.ParseAddr(s[:strings.LastIndexByte(s, ':')+1] + strings.Join(octets, ".")); err != nil {
			t.Fatalf("%q: got %v, expected that it is no address: %v", s, a, err)
		}
	}
	if !bytes.Equal(a.bytes(), want.AsSlice()) {
		t.Fatalf("%q: got the bytes %v, expected %v", s, a.bytes(), want.AsSlice())
	}
	checkText(t, a, want)
	bits = min(bits, want.BitLen())
	prefix, err := want.Prefix(bits)
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, a.prefix(bits), prefix.Addr())
	if n, err := parseNetwork([]byte(prefix.String())); err != nil || !n.contains(a) {
		t.Fatalf("%s: got %v, %v, expected that it contains %s", prefix, n, err, s)
	}
	return true
}

func checkText(t *testing.T, a ip, want netip.Addr) {
	text := string(appendIP(nil, a))
	if a.endsAsIPv4() && !a.isMapped() {
		v4 := netip.AddrFrom4([4]byte(a.room[12:]))
		if text != "::"+v4.String() {
			t.Fatalf("got the text %s, expected ::%s", text, v4)
		}
	} else if back, err := netip.ParseAddr(text); err != nil || back != want || text != want.String() && strings.Contains(want.String(), "::") {
		t.Fatalf("got the text %s, expected %s", text, want)
	}
	if b, ok := parseIP([]byte(text)); !ok || b != a {
		t.Fatalf("%s is read as %v %v, expected %v", text, b, ok, a)
	}
}

// The same for random addresses, and a network contains the addresses that package net/netip says.
func TestIP_asNetIP(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 0))
	draw := func() string {
		var b [16]byte
		for i := range b {
			if random.IntN(3) == 0 {
				b[i] = byte(random.Uint32())
			}
		}
		switch random.IntN(4) {
		case 0:
			return netip.AddrFrom4([4]byte(b[:4])).String()
		case 1:
			return netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:4])).As16()).String()
		}
		return netip.AddrFrom16(b).String()
	}
	within := 0
	for range 100_000 {
		s, other := draw(), draw()
		if !checkIP(t, s, random.IntN(129)) {
			t.Fatalf("%s is not accepted", s)
		}
		address, from := netip.MustParseAddr(other), netip.MustParseAddr(s)
		prefix, err := from.Prefix(random.IntN(min(12, from.BitLen())))
		if random.IntN(3) == 0 {
			prefix, err = from.Prefix(random.IntN(1 + from.BitLen()))
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseNetwork([]byte(prefix.String()))
		if err != nil {
			t.Fatal(err)
		}
		a, _ := parseIP([]byte(other))
		want := prefix.Contains(address) || prefix.Addr().Is4() && prefix.Contains(address.Unmap())
		if n.contains(a) != want {
			t.Fatalf("%s in %s: got %v, expected %v", other, prefix, !want, want)
		}
		if want {
			within++
		}
	}
	if within < 10_000 {
		t.Errorf("%d addresses are in the networks, expected at least 10000", within)
	}
}
