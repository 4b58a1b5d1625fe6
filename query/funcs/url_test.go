package funcs

import (
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
)

// The parts of a URL are those of package net/url, and every text that is split can be put together again.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"http://h///", "https://www.google.com/search?q=a+b&x=%C3%A9#top", "/a//b?x=1", "//a/b", "-", "", "*", "?a=1&a=2&&=3&b", "http://user:p@h:8080", "http://[::1]:80/", "http://[::1", "http://h:/", "http://h:99999/", "mailto:a@b",
		"http://a b/", "http:///x", "android-app://com.x.y/", "http://h?q#f?g", "h:443", "http://h/%zz?%zz=1&b=%ff", "HTTP://H/", "http://h:080", "file:///etc", "http://é/", "/a#b?c", "http://a:b:c/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkURL(t, s) })
}

// checkURL reports whether s was split.
func checkURL(t *testing.T, s string) bool {
	t.Helper()
	u, ok := splitURL([]byte(s))
	want, err := url.Parse(s)
	absolute := err == nil && want.Scheme != ""
	if strings.HasPrefix(s, "//") { // net/url reads a host
		want, err = url.Parse("x:" + strings.Replace(s, "//", "/%2F", 1))
		if err == nil {
			want.Scheme, want.RawPath = "", "/"+strings.TrimPrefix(want.EscapedPath(), "/%2F")
		}
	}
	if !ok {
		if absolute && hasPlainHost(want) || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "?") {
			t.Fatalf("%q is not accepted, expected %#v", s, want)
		}
		return false
	}
	whole := string(u.path)
	if u.query != nil {
		whole += "?" + string(u.query)
	}
	if u.fragment != nil {
		whole += "#" + string(u.fragment)
	}
	begin := ""
	if u.scheme != nil {
		begin = string(u.scheme) + ":"
	}
	if !strings.HasPrefix(s, begin) || !strings.HasSuffix(s[len(begin):], whole) || u.host == nil && u.port == nil && !strings.HasPrefix(s[len(begin):], "//") && s != begin+whole {
		t.Fatalf("%q: got the parts %q, which are not those of the text", s, u)
	}
	if err != nil || strings.HasPrefix(s, "//") {
		return true
	}
	for _, c := range []struct{ name, got, want string }{
		{"scheme", strings.ToLower(string(u.scheme)), want.Scheme}, {"query", string(u.query), want.RawQuery}, {"port", string(u.port), want.Port()},
		{"path", unescaped(string(u.path)), unescaped(want.Opaque + want.EscapedPath())}, {"fragment", unescaped(string(u.fragment)), unescaped(want.EscapedFragment())},
	} {
		if c.got != c.want {
			t.Fatalf("%q: got the %s %q, expected %q", s, c.name, c.got, c.want)
		}
	}
	if host := unescaped(string(u.host)); host != want.Hostname() {
		t.Fatalf("%q: got the host %q, expected %q", s, host, want.Hostname())
	}
	return true
}

// unescaped decodes %xx, because package net/url escapes what a URL should not contain.
func unescaped(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// hasPlainHost reports whether the host is one that both sides accept: package net/url takes zones and other texts in
// brackets, several colons, and quotes.
func hasPlainHost(u *url.URL) bool {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Is6() && a.Zone() == "" && validPort(u.Port())
	}
	return !strings.ContainsAny(u.Host, `:"<>[]%`) || strings.Count(u.Host, ":") == 1 && !strings.ContainsAny(host, `:"<>[]%`) && validPort(u.Port())
}

func validPort(s string) bool {
	s = strings.TrimLeft(s, "0")
	return len(s) < 5 || len(s) == 5 && s <= "65535"
}

// A text is decoded as package net/url does, and parameters are found that it finds.
func FuzzURLDecode(f *testing.F) {
	for _, s := range []string{"a+b", "%C3%A9", "%e4", "%", "%4", "%zz", "a=1&b=2&a=3", "%61=b&a=c", "a", "a=&a=1", "=x", "a=%ff&b=1", "a;b=1", "a=b=c", "&&a=1"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, s, name string) { checkDecode(t, s, name) })
}

func checkDecode(t *testing.T, s, name string) (found bool) {
	t.Helper()
	r := fold.Constant(time.UTC)
	got := urlDecode(r, value.Text([]byte(s)))
	want, err := url.QueryUnescape(s)
	if got.Set != (err == nil && utf8.ValidString(want)) || got.Set && string(got.Bytes) != want {
		t.Fatalf("%q is decoded to %q %v, expected %q, %v", s, got.Bytes, got.Set, want, err)
	}
	if strings.Contains(s, "#") || strings.Contains(s, ";") || !utf8.ValidString(name) {
		return false // net/url leaves out parameters with semicolons
	}
	of, wanted := "", false
	for pair := range strings.SplitSeq(s, "&") { // so that a parameter that cannot be decoded is not left out
		values, err := url.ParseQuery(pair)
		if err == nil && pair != "" && values.Has(name) {
			of, wanted = values.Get(name), utf8.ValidString(values.Get(name))
			break
		}
		key, _, _ := strings.Cut(pair, "=")
		if key, err = url.QueryUnescape(key); err == nil && pair != "" && key == name {
			break
		}
	}
	got = urlParameter(r, value.Text([]byte("?"+s)), value.Text([]byte(name)))
	if got.Set != wanted || string(got.Bytes) != of && wanted {
		t.Fatalf("%q: parameter %q is %q %v, expected %q %v", s, name, got.Bytes, got.Set, of, wanted)
	}
	return got.Set
}

// The same for random texts.
func TestURL_asNetURL(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 0))
	pieces := []string{"http", "https", ":", "//", "/", "/", "?", "#", "@", "a", "b", "é", "%20", "%C3%A9", "%ff", "%", "+", "&", "=", "=", "a=", "[::1]", "[", "]", ":80", ":99999", ".", "-", " ", "\\", "\x00", "www.example.com", "q", "..", ";"}
	draw := func(pieces []string) string {
		var b strings.Builder
		if random.IntN(2) == 0 {
			b.WriteString([]string{"http://", "/", "?", "https://a.b/", "http://h///"}[random.IntN(5)])
		}
		for range random.IntN(9) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	split, found := 0, 0
	for range 300_000 {
		if checkURL(t, draw(pieces)) {
			split++
		}
		if checkDecode(t, draw(pieces[9:21]), []string{"a", "b", "é", "", "a a"}[random.IntN(5)]) {
			found++
		}
	}
	if split < 50_000 || found < 10_000 {
		t.Errorf("%d texts were split and %d parameters found, expected at least 50000 and 10000", split, found)
	}
}

// The parts of URLs as logs have them.
func TestURL_parts(t *testing.T) {
	t.Parallel()
	const none = "NULL"
	for _, c := range []struct{ url, scheme, host, port, path, query, fragment string }{
		{"http://h///", "http", "h", none, "///", none, none},
		{"https://user:p@www.example.com:8080/a?b=c#d", "https", "www.example.com", "8080", "/a", "b=c", "d"},
		{"http://[2001:db8::1]:80", "http", "2001:db8::1", "80", "", none, none},
		{"/a//b?x=1?y", none, none, none, "/a//b", "x=1?y", none},
		{"//a/b", none, none, none, "//a/b", none, none},
		{"?x=1", none, none, none, "", "x=1", none},
		{"http://h?", "http", "h", none, "", "", none},
		{"android-app://com.google.android.gm/", "android-app", "com.google.android.gm", none, "/", none, none},
		{"mailto:a@b?subject=c", "mailto", none, none, "a@b", "subject=c", none},
		{"file:///etc/passwd", "file", none, none, "/etc/passwd", none, none},
		{"http://h:/", "http", "h", none, "/", none, none},
		{"http://h:00443/", "http", "h", "443", "/", none, none},
		{"-", none, none, none, none, none, none},
		{"", none, none, none, none, none, none},
		{"*", none, none, none, none, none, none},
		{"www.example.com/a", none, none, none, none, none, none},
		{"http://a b/", none, none, none, none, none, none},
		{"http://h:65536/", none, none, none, none, none, none},
		{"http://[::1/", none, none, none, none, none, none},
	} {
		for name, want := range map[string]string{"url_scheme": c.scheme, "url_host": c.host, "url_port": c.port, "url_path": c.path, "url_query": c.query, "url_fragment": c.fragment} {
			r := fold.Constant(time.UTC)
			v, got := library.Find(name).Eval1(r, value.Text([]byte(c.url))), none
			if v.Set && name == "url_port" {
				got = string(v.Number.AppendText(nil, 0))
			} else if v.Set {
				got = string(v.Bytes)
			}
			if got != want {
				t.Errorf("%s(%q): got %q, expected %q", name, c.url, got, want)
			}
		}
	}
}
