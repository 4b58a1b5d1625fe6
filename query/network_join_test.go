package query

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold/lookup"
)

const countries = "CREATE TABLE networks (network VARCHAR(43) PRIMARY KEY, country CHAR(2));\n" +
	"INSERT INTO t SELECT COALESCE(country, '-') AS country, COUNT(*) AS n FROM events LEFT JOIN networks g ON IP_IN(ip, g.network) GROUP BY country"

// The most specific network wins. An IPv4-mapped address is also in the networks of its IPv4 address, as in IP_IN.
func TestJoinNetwork_rows(t *testing.T) {
	t.Parallel()
	rows := "10.0.0.0/8|aa\n10.1.0.0/16|bb\n10.1.2.0/24|cc\n10.1.2.3|dd\n2001:db8::/32|ee\n2001:db8:1::/48|ff\n255.255.255.255/32|gg\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff|hh\n::ffff:192.0.2.0/120|ii\n198.51.100.0/25|NULL"
	for ip, want := range map[string]string{
		"10.0.0.0": "aa", "10.255.255.255": "aa", "11.0.0.0": "-", "9.255.255.255": "-", "10.1.0.0": "bb", "10.1.1.255": "bb", "10.1.2.2": "cc", "10.1.2.3": "dd", "10.1.2.4": "cc", "10.1.3.0": "bb", "10.2.0.0": "aa",
		"2001:db8::1": "ee", "2001:db8:1:2::": "ff", "2001:db8:2::": "ee", "2001:db9::": "-", "255.255.255.255": "gg", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "hh",
		"::ffff:10.1.2.3": "dd", "::ffff:192.0.2.9": "ii", "192.0.2.9": "-", "198.51.100.1": "-", "x": "-", "": "-", "10.1": "-",
	} {
		f := joinPlan(t, "json", countries, rows).NewFold()
		feed(f, fmt.Sprintf(`{"ip":%q}`, ip))
		if diff := cmp.Diff([]string{"t: " + want + " 1"}, printed(f.Take())); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", ip, diff)
		}
	}
	f := joinPlan(t, "json", countries, "0.0.0.0/0|aa\n::/0|bb").NewFold()
	feed(f, `{"ip":"1.2.3.4"}`, `{"ip":"::1"}`, `{"ip":"::ffff:1.2.3.4"}`, `{}`, `{"ip":255}`)
	want(t, printed(f.Take()), "t: - 2", "t: aa 2", "t: bb 1")
	f = joinPlan(t, "json", countries, "").NewFold()
	feed(f, `{"ip":"1.2.3.4"}`, `{"ip":"::1"}`)
	want(t, printed(f.Take()), "t: - 2")
}

// Against a search of all networks by another library.
func TestJoinNetwork_matchesASearch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		// Few different bits, so that networks are within others.
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.IntN(2) * 255), byte(r.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{0: 0x20, 1: byte(r.IntN(2)), 7: byte(r.IntN(3)), 8: byte(r.IntN(2) * 128), 15: byte(r.IntN(4))})
	}
	for range 30 {
		var networks []netip.Prefix
		var rows strings.Builder
		seen := map[netip.Prefix]bool{}
		for range 60 {
			a := address()
			n, _ := a.Prefix(r.IntN(a.BitLen() + 1))
			if !seen[n] {
				seen[n] = true
				networks = append(networks, n)
				fmt.Fprintf(&rows, "%s|%02d\n", n, len(networks)-1)
			}
		}
		p := joinPlan(t, "json", countries, rows.String())
		f := p.NewFold()
		for range 200 {
			a := address()
			best := -1
			for i, n := range networks {
				if n.Contains(a) && (best < 0 || n.Bits() > networks[best].Bits()) {
					best = i
				}
			}
			expected := "t: - 1"
			if best >= 0 {
				expected = fmt.Sprintf("t: %02d 1", best)
			}
			feed(f, fmt.Sprintf(`{"ip":"%s"}`, a))
			if got := printed(f.Take()); len(got) != 1 || got[0] != expected {
				t.Fatalf("%s: got %v, expected %s of %v", a, got, expected, networks)
			}
		}
	}
}

// What is no network, or a network twice, fails the read; what IP_IN cannot use is rejected.
func TestJoinNetwork_rejects(t *testing.T) {
	t.Parallel()
	for row, reason := range map[string]string{
		"10.0.0.0/33|aa":     `the row with network = "10.0.0.0/33": column network is "10.0.0.0/33", which is no network`,
		"10.0.0.1/8|aa":      `the row with network = "10.0.0.1/8": column network is "10.0.0.1/8", which is no network`,
		"10.1.2.3/32|aa":     `the row with network = "10.1.2.3/32": another row has the same network`,
		"::ffff:10.1.2.3|aa": `the row with network = "::ffff:10.1.2.3": another row has the same network`,
	} {
		b := plan(t, "json", countries).Joined()[0].Builder(lookup.Limits{Rows: 9, Bytes: 1000}, time.Time{})
		var err error
		for _, line := range []string{"10.1.2.3|aa", row} {
			network, country, _ := strings.Cut(line, "|")
			err = b.Add([][]byte{[]byte(network), []byte(country)})
		}
		if err == nil || err.Error() != reason {
			t.Errorf("%s: got %v, expected %s", row, err, reason)
		}
	}
	const declared = "CREATE TABLE n (a VARCHAR(43) PRIMARY KEY, b INT UNIQUE, c TEXT); INSERT INTO t SELECT c FROM events JOIN n ON "
	for on, reason := range map[string]string{
		"IP_IN(x, n.a) AND n.b = 1":   "statement 2: IP_IN(x, n.a): IP_IN finds the most specific network, so it must be the whole condition: write other conditions in WHERE",
		"IP_IN(x, n.b)":               "statement 2: n on IP_IN(x, n.b): column n.b is INT, but IP_IN reads networks from texts such as '10.0.0.0/8': declare a text",
		"IP_IN(x, n.c)":               "a record could match several rows",
		"IP_IN(n.a, x)":               "expected conditions such as n.a = expression of the record, joined by AND, or IP_IN(address of the record, n.column)",
		"IP_IN(x, n.a, '10.0.0.0/8')": "expected conditions such as",
		"IP_IN(x, n.a) = 1":           "expected conditions such as",
	} {
		o := DefaultOptions()
		o.Format = "json"
		if _, err := Compile(declared+on, o); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, expected %s", on, err, reason)
		}
	}
}

// An address is looked up without allocating.
func TestJoinNetwork_allocatesNothing(t *testing.T) {
	f := joinPlan(t, "json", countries, "10.0.0.0/8|aa\n2001:db8::/32|bb").NewFold()
	var records []batch.Record
	for i, ip := range []string{"10.1.2.3", "2001:db8::1", "192.0.2.1", "x"} {
		records = append(records, batch.Record{Offset: int64(i), Value: fmt.Appendf(nil, `{"ip":%q}`, ip)})
	}
	var tally batch.Tally
	f.Add(part, records, &tally)
	if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 {
		t.Errorf("got %g allocations, expected none", n)
	}
}
