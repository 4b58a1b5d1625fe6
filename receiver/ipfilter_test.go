package receiver

import (
	"net/netip"
	"strings"
	"testing"
)

// The rules of Flume's user guide and of PatternRule: the first that matches decides, and no match allows the address.
func TestIPFilter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rules, addr string
		ok          bool
	}{
		{"", "192.0.2.1", true},
		{"allow:ip:127.*,deny:ip:*", "127.0.0.1", true},
		{"allow:ip:127.*,deny:ip:*", "192.0.2.1", false},
		{"allow:ip:127.*,allow:name:localhost,deny:ip:*", "127.0.0.1", true},
		{"allow:name:localhost,deny:ip:*", "127.0.0.1", true},
		{"deny:name:localhost,allow:ip:*", "127.0.0.1", false},
		{"deny:ip:10.*", "10.1.2.3", false},
		{"deny:ip:10.*", "101.2.3.4", true}, // a dot matches only a dot
		{"deny:ip:192.0.2.?", "192.0.2.7", false},
		{"deny:ip:192.0.2.?", "192.0.2.77", true},
		{" deny:ip:192.0.2.1 , allow:ip:192.* ", "192.0.2.1", false},
		{"deny:ip:::1", "::1", false},
		{"deny:ip:0:0:0:0:0:0:0:1", "::1", false}, // in Java's notation
		{"deny:ip:192.0.2.1", "::ffff:192.0.2.1", false},
		{"deny:ip:192.0.2.(1|2)", "192.0.2.2", false}, // other characters have their meaning in the regular expression
	} {
		f, err := ParseIPFilter(tc.rules)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(t.Context(), netip.MustParseAddr(tc.addr)); (err == nil) != tc.ok {
			t.Errorf("%q, %s: %v", tc.rules, tc.addr, err)
		}
	}
}

func TestIPFilter_bad(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]string{
		"127.0.0.1": "does not have three fields", "allow:ip:": "does not have three fields", "Allow:ip:*": "neither allow nor deny",
		"allow:host:*": "neither ip nor name", "deny:ip:*,": "does not have three fields", "deny:ip:(": "missing closing",
	} {
		if _, err := ParseIPFilter(rules); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "option 'ip-filter' has the rule ") {
			t.Errorf("%q: %v, expected %q", rules, err, want)
		}
	}
}
