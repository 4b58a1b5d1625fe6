package format

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/accesslog"
)

func TestGrok_lines(t *testing.T) {
	t.Parallel()
	testBodies(t, "grok", `%{TIMESTAMP_ISO8601:ts:time} \[%{DATA:thread}\] %{LOGLEVEL:level} +%{NOTSPACE:class}(?: %{INT:n:int})?(?: %{NUMBER:x:float})? - %{GREEDYDATA:message}`, []bodyCase{
		{"ts thread level class n x message", "2015-05-17 10:05:03,250 [main] WARN  a.B -7 1.50 - x - y\n", "2015-05-17 10:05:03.250000|main|WARN|a.B|-7|1.50|x - y"},
		{"ts n x message", "2015-05-17T10:05:03+02:00 [] info a - ", "2015-05-17 08:05:03.000000|NULL|NULL|"},
		{"n", "2015-05-17T10:05:03Z [] info a " + strings.Repeat("9", 39) + " - ", "!n must be a whole number of at most 38 digits, got …"},
		{"ts", "2015-02-31T10:05:03Z [] info a - ", "!ts … is not a time such as"},
		{"message", "2015-02-31T10:05:03Z [] info a - ", ""},
		{"message", "x 2015-05-17T10:05:03Z [] info a - ", "!grok: expected a line that option 'log-format-string' matches from its beginning to its end"},
		{"message", "2015-05-17T10:05:03Z [] loud a - ", "!grok: expected a line that option 'log-format-string' matches (the line has 33 bytes)"},
	})
	testBodies(t, "grok", "%{SYSLOGLINE}", []bodyCase{
		{"timestamp logsource program pid message", "Oct 11 22:14:15 h postfix/smtpd[71]: a: b", "2015-10-11 22:14:15.000000|h|postfix/smtpd|71|a: b"},
		{"logsource program pid message", "Oct  1 22:14:15 su: x", "NULL|su|NULL|x"},
	})
	testBodies(t, "grok", `%{IP:ip}(?P<rest> \d+)?`, []bodyCase{
		{"ip rest", "192.0.2.1 5", "192.0.2.1| 5"}, {"ip rest", "2001:db8::1", "2001:db8::1|NULL"}, {"ip", "::ffff:192.0.2.1", "::ffff:192.0.2.1"}, {"ip", "::1", "::1"}, {"ip", "192.0.2.256", "!grok"},
	})
}

// Each pattern matches whole texts of its kind, and no others.
func TestGrok_patterns(t *testing.T) {
	t.Parallel()
	untested := maps.Clone(grokPatterns)
	for _, c := range []struct{ pattern, yes, no string }{ // separated by bars
		{"USERNAME", "a|j.smith-1_x", "|a b|a@b"},
		{"USER", "a", "|a b"},
		{"INT", "0|-7|+12", "|1.5|x|-"},
		{"POSINT", "1|10", "0|01|-1"},
		{"NONNEGINT", "0|10", "-1|x"},
		{"BASE10NUM", "1|1.5|-.5|1.", "|x|1.5.2|1e3"},
		{"BASE16NUM", "ff|0xFF|-1a", "|0x|g"},
		{"NUMBER", "1|1.5", "|x"},
		{"WORD", "a_1", "|a b|a-b"},
		{"NOTSPACE", "a-b:c", "|a b"},
		{"SPACE", "| |  ", "a"},
		{"DATA", "|a b", ""},
		{"GREEDYDATA", "|a b", ""},
		{"QUOTEDSTRING", `"a \" b"|'a "b'|""`, `a|"a|"a"b"`},
		{"QS", `"a"`, "a"},
		{"UUID", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000|x"},
		{"EMAILADDRESS", "a.b+c@example.com", "a|@b|a@"},
		{"LOGLEVEL", "INFO|warn|Error|critical|FATAL|trace", "loud|INFOS|"},
		{"IPV4", "192.0.2.1|255.255.255.255|0.0.0.0", "256.1.1.1|1.2.3|1.2.3.4.5|01.2.3.4"},
		{"IPV6", "2001:db8::1|::1|fe80::1%eth0|::ffff:192.0.2.1|1:2:3:4:5:6:7:8", "1|a:b|192.0.2.1"},
		{"IP", "192.0.2.1|::1", "h|1.2.3"},
		{"MAC", "00:1a:2B:3c:4d:5e|00-1a-2B-3c-4d-5e|001a.2b3c.4d5e", "00:1a:2b:3c:4d|x"},
		{"HOSTNAME", "a|a.example|my_host-1.example.", "a..b|-a|a b|a:1"},
		{"IPORHOST", "a.example|192.0.2.1|::1", "a b|"},
		{"HOSTPORT", "a.example:80|192.0.2.1:1", "a|a:|a:0"},
		{"UNIXPATH", "/|/a/b.c", "a/b|/a b"},
		{"WINPATH", `C:\a\b|\\a\b`, "/a|a"},
		{"PATH", `/a|C:\a`, "a"},
		{"URIPROTO", "http|svn+ssh", "|:|1x"},
		{"URIHOST", "a.example:80|a", "a:|/"},
		{"URIPATH", "/|/a/b;c=d", "a|/a?b"},
		{"URIPARAM", "?|?a=b&c", "a=b|?a b"},
		{"URIPATHPARAM", "/a?b=c|/a", "?b=c"},
		{"URI", "http://a.example:80/b?c=d|ftp://u:p@h/|file:///a", "a|http:/a|http://a b"},
		{"MONTH", "Jan|January|May|Sept|September|Dec", "jan|Mai|Janu"},
		{"MONTHNUM", "1|01|12", "0|13"},
		{"MONTHDAY", "1|01|31", "0|32|00"},
		{"DAY", "Mon|Tuesday", "mon|Mo"},
		{"YEAR", "2015|15", "1|215"},
		{"HOUR", "0|00|23", "24"},
		{"MINUTE", "00|59", "60|1"},
		{"SECOND", "00|60|59.25|7,5", "61|x"},
		{"TIME", "10:05|10:05:03.25", "10|24:00|10:60"},
		{"DATE_US", "05/17/2015|5-7-15", "17/05/2015"},
		{"DATE_EU", "17.05.2015|17/5/15", "05.17.2015"},
		{"DATE", "05/17/2015|17.05.2015", "2015-05-17"},
		{"ISO8601_TIMEZONE", "Z|+02:00|-0700", "+2|z"},
		{"TIMESTAMP_ISO8601", "2015-05-17T10:05:03.250Z|2015-05-17 10:05|2015-05-17 10:05:03,250+0200", "2015-05-17|15-05-17 10:05"},
		{"HTTPDATE", "17/May/2015:10:05:03 +0000|17/May/2015:10:05:03", "17/05/2015:10:05:03 +0000"},
		{"PROG", "su|postfix/smtpd", "a b|a[1]|a:"},
		{"SYSLOGTIMESTAMP", "May 17 10:05:03|May  7 10:05:03", "May17 10:05:03|17 May"},
		{"SYSLOGHOST", "a|::1", "a b"},
		{"SYSLOGPROG", "su|su[7]", "su[]|su[x]"},
		{"SYSLOGBASE", "May 17 10:05:03 h su[7]:", "May 17 10:05:03 h su"},
		{"SYSLOGLINE", "May 17 10:05:03 h su[7]: x", "x"},
		{"HTTPDUSER", "-|a|a@example.com", "a b|"},
		{"COMMONAPACHELOG", `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 -`, "x"},
		{"COMBINEDAPACHELOG", `h - a@b [17/May/2015:10:05:03 +0000] "\x16" 400 0 "-" "x"`, `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 -`},
	} {
		g := grok{types: map[string]string{}}
		expression, err := g.expand("%{" + c.pattern + "}")
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		re := regexp.MustCompile(`\A(?:` + expression + `)\z`)
		for s := range strings.SplitSeq(c.yes, "|") {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %q", c.pattern, s)
			}
		}
		for s := range strings.SplitSeq(c.no, "|") {
			if s != "" && re.MatchString(s) {
				t.Errorf("%s matches %q", c.pattern, s)
			}
		}
		delete(untested, c.pattern)
	}
	for name := range untested {
		t.Errorf("pattern %s has no test", name)
	}
}

func TestGrok_definitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ definition, want string }{
		{"", "log format grok needs option 'log-format-string': a grok pattern"},
		{"%{IP}", "it has no named group"},
		{"%{NOSUCH:a}", "%{NOSUCH:a}: there is no pattern NOSUCH; there are BASE10NUM, "},
		{"%{IP:a:ip}", "%{IP:a:ip}: the type must be one of float, int, time"},
		{"%{IP:[a][b]}", "got %{IP:[a][b]}, expected %{PATTERN}"},
		{"%{IP:a", "got %{IP:a, expected %{PATTERN}"},
		{"%{IP:a} %{IP:a}", "which another column has"},
		{"(?P<a>" + strings.Repeat("%{URI}", 200) + ")", "expected at most 65536"},
		{"%{IP:a} (?=x)", "invalid or unsupported Perl syntax"},
	} {
		if _, err := New("grok", c.definition); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, expected %s", c.definition, err, c.want)
		}
	}
}

// The pattern of the combined format reads what the parser of that format reads.
func TestGrok_equalsCombined(t *testing.T) {
	t.Parallel()
	rng := accesslog.New(7)
	byGrok := newReader(t, "grok", "%{COMBINEDAPACHELOG}", "clientip", "timestamp", "response", "bytes", "referrer", "agent")
	combined := newReader(t, "combined", "", "host", "ts", "status", "bytes", "referer", "agent")
	for n := range 5000 {
		line := accesslog.Append(nil, rng, n)
		got, err := byGrok.read(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, i := range []int{4, 5} {
			got[0][i] = strings.TrimSuffix(strings.TrimPrefix(got[0][i], `"`), `"`)
		}
		want, err := combined.read(line)
		if d := difference(got, want); d != "" || err != nil {
			t.Fatalf("%s: %s, error %v", line, d, err)
		}
	}
}

func FuzzGrok(f *testing.F) {
	f.Add("%{IP:a} %{GREEDYDATA:b}", "192.0.2.1 x")
	f.Add("%{NUMBER:a:float}%{INT:b:int}?(?P<c>%{HTTPDATE})", "1.5")
	f.Add("%{%{IP}:a}", "::1")
	f.Fuzz(func(t *testing.T, text, line string) {
		format, err := New("grok", text)
		if err != nil {
			return
		}
		rows, err := newReader(t, "grok", text, format.Names()...).read([]byte(line))
		for _, row := range rows {
			for i, cell := range row {
				if strings.HasPrefix(cell, "BUG") || err != nil {
					t.Fatalf("%q of %q: column %d is %q, error %v", text, line, i, cell, err)
				}
			}
		}
	})
}
