package query

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/accesslog"
)

func customPlan(t testing.TB, format, text string) *Plan {
	t.Helper()
	o := DefaultOptions()
	o.FormatString = format
	p, err := Compile(text, o)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return p
}

const (
	apacheCombined = `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`
	nginxTimes     = `'$remote_addr - $remote_user [$time_local] "$request" '
		'$status $body_bytes_sent "$http_referer" '
		'"$http_user_agent" $request_time $upstream_response_time'`
	nginxTail = ` [07/Dec/2016:11:05:07 +0100] "GET /a b HTTP/1.1" 200 571 "-" "x"`
)

// The format string's columns have the values of the line, or the line is a dead letter; no field is shifted.
func TestCustom_lines(t *testing.T) {
	t.Parallel()
	const rfc = "2001:db8::1 - John Smith" + nginxTail
	for _, c := range []struct{ format, columns, line, want string }{
		{apacheCombined, "host, ident, user, ts, method, path, protocol, status, bytes, referer, agent", rfc, "2001:db8::1 - John Smith 2016-12-07 10:05:07 GET /a b HTTP/1.1 200 571 - x"},
		{`LogFormat "%h %l %u %t \"%r\" %>s %b" common`, "bytes", `h - - [07/Dec/2016:11:05:07 +0100] "GET / HTTP/1.1" 200 -`, "NULL"},
		{`%h %l %u %t \"%r\" %>s %b`, "status", `h - - [07/Dec/2016:11:05:07 +0100] "GET /?q=\"x\" HTTP/1.1" 200 -`, "200"},
		{"vhost_combined", "vhost, port, host, bytes_sent", `shop.example:80 203.0.113.7 - -` + nginxTail, "shop.example 80 203.0.113.7 571"},
		{apacheCombined, "host", "nginx: 203.0.113.7 - -" + nginxTail, "!"},
		{apacheCombined, "host", "shop.example:80 203.0.113.7 - -" + nginxTail, "!"},
		{apacheCombined, "host", "203.0.113.7 - -" + nginxTail + " more", "!the line continues"},
		{`%{X-Forwarded-For}i %h %l %u %t "%r" %>s %b`, "x_forwarded_for, host", `10.0.0.2, 10.0.0.1 203.0.113.7 - - [07/Dec/2016:11:05:07 +0100] "-" 400 0`, "10.0.0.2, 10.0.0.1 203.0.113.7"},
		{`%h %D %T %{ms}T %I %O %k %P %X "%f"`, "duration_us, duration_s, duration_ms, bytes_received, bytes_sent, keepalive, pid, connection, filename", `h 1200 0 1 200 300 2 77 + "/a b"`, "1200 0 1 200 300 2 77 + /a b"},
		{`%a %A %v %U%%%q %m %H %L "%{Accept-Language}i" "%{X-Id}o" "%{V}e" "%{sid}C" "%{n}n"`, "client_ip, local_ip, vhost, url_path, query_string, method, protocol, log_id, accept_language, out_x_id, env_v, cookie_sid, note_n",
			`1.2.3.4 10.0.0.1 w /a%?b GET HTTP/1.1 id "de, en" "7" "v" "s" "n"`, "1.2.3.4 10.0.0.1 w /a ?b GET HTTP/1.1 id de, en 7 v s n"},
		{`%400,501{User-agent}i %!200,304s %<s`, "agent, status, status_2", "x/1 200 404", "x/1 200 404"},
		{`%400,501{User-agent}i %!200,304s %<s`, "agent", "x y 200 404", "!holds what it cannot"},
		{`%{%Y-%m-%d %H:%M:%S}t %h`, "ts, host", "2016-12-07 11:05:07 h", "2016-12-07 11:05:07 h"},
		{`%{%d/%b/%Y:%H:%M:%S}t %h %m %{User-Agent}i`, "host, method, agent", "17/May/2015:10:05:03 1.2.3.4 GET x/1", "1.2.3.4 GET x/1"},
		{`%{%d/%b/%Y:%T}t %h %>s`, "ts, host, status", "17/May/2015:10:05:03 1.2.3.4 200", "2015-05-17 10:05:03 1.2.3.4 200"},
		{`%{%d/%b/%Y:%T %z}t %h %>s`, "ts, host, status", "17/May/2015:10:05:03 +0200 1.2.3.4 200", "2015-05-17 08:05:03 1.2.3.4 200"},
		{`'%h %u'`, "host, user", "h u", "h u"}, {`"%h %u"`, "host, user", "h u", "h u"}, {`"%h %u" common`, "host, user", "h u", "h u"},
		{`"%r" %>s`, "method, status", `"GET / HTTP/1.1" 200`, "GET 200"}, {`"%r"`, "method", `"GET / HTTP/1.1"`, "GET"},
		{"log_format\tmain\t'$remote_addr $status'", "host, status", "h 200", "h 200"},
		{"log_format main\n\t'$remote_addr '\n\t'$status';", "host, status", "h 200", "h 200"},
		{"log_format main escape=none\n\t'$remote_addr \"$request_uri\" $status'", "host, request_uri, status", `h "/a\" 200`, `h /a\ 200`},
		{`$remote_addr:$remote_port $status`, "host, remote_port, status", "2001:db8::1:54321 200", "2001:db8::1 54321 200"},
		{`$remote_addr:$remote_port $status`, "host, remote_port", "1.2.3.4:54321 200", "1.2.3.4 54321"},
		{`$host:$server_port $remote_addr`, "vhost, server_port, host", "[::1]:443 1.2.3.4", "[::1] 443 1.2.3.4"},
		{`%A:%p %h`, "local_ip, port, host", "2001:db8::1:443 1.2.3.4", "2001:db8::1 443 1.2.3.4"},
		{`$server_addr:$server_port $status`, "server_addr, server_port", "[::1]:443 200", "[::1] 443"},
		{`%m:%s:%b %h`, "method, status, bytes", "GET:200:17 h", "GET 200 17"},
		{`$status:$request_time:$host`, "status, request_time, vhost", "200:0.003:a.example", "200 0.003 a.example"},
		{`$host:$request_uri $status`, "vhost, request_uri", "a.example:/x:1 200", "a.example /x:1"},
		{`$remote_addr:$request_uri $status`, "host, request_uri", "2001:db8::1:/x:1 200", "2001:db8::1 /x:1"},
		{`$host:$remote_addr $status`, "vhost, host", "a.example:2001:db8::1 200", "a.example 2001:db8::1"},
		{`$host:$server_port $remote_addr`, "vhost, server_port, host", "*.example:443 1.2.3.4", "*.example 443 1.2.3.4"},
		{`$remote_addr:$remote_port $status`, "host", "nohost 200", "!does not have the literal text"},
		{`%{sec}t %h`, "ts", "1481105107 h", "2016-12-07 10:05:07.000"},
		{`%{msec}t %h`, "ts", "1481105107123 h", "2016-12-07 10:05:07.123"},
		{`%{usec}t %h`, "ts", "1481105107123456 h", "2016-12-07 10:05:07.123456"},
		{`%{msec}t %h`, "ts", "1481105107123456 h", "!is not a number of ms"},
		{"%h\\t%s", "host, status", "h\t200", "h 200"},
		{"%h\\t%s", "host, status", "h 200", "!literal"},
		{nginxTimes, "host, user, status, bytes, agent, request_time, upstream_response_time", "203.0.113.7 - alice" + nginxTail + " 0.003 0.002", "203.0.113.7 alice 200 571 x 0.003 0.002"},
		{nginxTimes, "upstream_response_time", "203.0.113.7 - -" + nginxTail + " 0.003 -", "NULL"},
		{nginxTimes, "upstream_response_time", "203.0.113.7 - -" + nginxTail + " 0.003 0.002, 0.001 : 0.004", "0.002, 0.001 : 0.004"},
		{"$upstream_addr $status", "upstream_addr, status", "10.0.0.1:80, 10.0.0.2:80 : unix:/a 200", "10.0.0.1:80, 10.0.0.2:80 : unix:/a 200"},
		{"$request_time", "request_time", "1.2.3", "!must be a number"}, {"$status", "status", "-1", "!whole number"}, {"$status", "status", "200 1", "!holds what it cannot"}, {"$status", "status", "0x10", "!whole number"},
		{nginxTimes, "host", "nginx: 203.0.113.7 - -" + nginxTail + " 0.003 -", "!"},
		{"$time_iso8601|$msec|${remote_addr}|$host", "ts, ts_2, host, vhost", "2016-12-07T11:05:07+01:00|1481105107.123|h|shop.example", "2016-12-07 10:05:07 2016-12-07 10:05:07.123 h shop.example"},
		{`log_format main escape=json '{"a":"$remote_addr","ua":"$http_user_agent","s":$status}';`, "host, agent, status", `{"a":"1.2.3.4","ua":"say \"x\"","s":200}`, `1.2.3.4 say \"x\" 200`},
		{`escape=none '"$http_user_agent" $status'`, "agent, status", `"a\" 200`, `a\ 200`},
		{`$_ $_ $_ $remote_addr $status`, "host, status", "2016-12-07T11:05:07.1Z stdout F 203.0.113.7 200", "203.0.113.7 200"},
		{`$__: $remote_addr $status`, "host, status", "<134>Dec  7 11:05:07 web1 nginx: 203.0.113.7 200", "203.0.113.7 200"},
		{`%{__}n: %h %s`, "host, status", "<134>Dec  7 11:05:07 web1 nginx: 203.0.113.7 200", "203.0.113.7 200"},
		{"\xef\xbb\xbf%h %s", "host", "\xef\xbb\xbfh 200\r\n", "h"},
		{"$status", "status", "", "!empty"},
	} {
		f := customPlan(t, c.format, "INSERT INTO t SELECT "+c.columns+" FROM events").NewFold()
		tally := feed(f, c.line)
		got := ""
		if len(tally.Dead) > 0 {
			got = "!" + tally.Dead[0].Reason
		} else {
			got = strings.TrimPrefix(printed(f.Take())[0], "t: logs 3 0 0 ")
		}
		if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, "!") && strings.Contains(got, c.want[1:])) {
			t.Errorf("%s of %q\n  got      %s\n  expected %s", c.format, c.line, got, c.want)
		}
	}
}

func TestCustom_rejected(t *testing.T) {
	t.Parallel()
	for format, reason := range map[string]string{
		"%h%u": "without text between", "$a$b": "without text between", "%h %": "ends within", "%h %{a": "has no }", "%h %Y": "not a known directive", "%{}i x": "has no name", "${a": "has no }", "$ x": "without the name",
		"%{%c}t": "time format is not supported", "%^FB": "not supported", "plain": "no field", "%{x}T": "expected {ms}", " ": "expected 1 to", "$_ x": "no field",
	} {
		o := DefaultOptions()
		o.FormatString = format
		_, err := Compile("INSERT INTO t SELECT _offset, COUNT(*) AS n FROM events GROUP BY 1", o)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, expected %s", format, err, reason)
		}
	}
	for _, o := range []Options{{Format: "apache", DeadLetterMaxBytes: 1}, {Format: "json", FormatString: "%h", DeadLetterMaxBytes: 1}, {DeadLetterMaxBytes: 1}} {
		if _, err := Compile("INSERT INTO t SELECT _offset, COUNT(*) AS n FROM events GROUP BY 1", o); err == nil {
			t.Errorf("%+v: got no error, expected one", o)
		}
	}
}

// P2: another format string changes the meaning of rows.
func TestP2_formatStringIsHashed(t *testing.T) {
	t.Parallel()
	text := "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host"
	a, _ := customPlan(t, "%h %s", text).Fingerprint()
	b, _ := customPlan(t, "%h %b", text).Fingerprint()
	c, _ := customPlan(t, "%h %s", text).Fingerprint()
	if a == b || a != c {
		t.Errorf("got %x for %%h %%s, %x for %%h %%b and %x for %%h %%s again; expected the first and the last to be equal, the other one not", a, b, c)
	}
}

// The general reader gives the same result as the special one.
func TestCustom_readsCombined(t *testing.T) {
	t.Parallel()
	text := "INSERT INTO t " + clfAll
	one, other := plan(t, "combined", text).NewFold(), customPlan(t, apacheCombined, text).NewFold()
	rng := accesslog.New(3)
	for n := range 3000 {
		line := string(accesslog.Append(nil, rng, n))
		a, b := feed(one, line), feed(other, line)
		if a.Counted != 1 || b.Counted != 1 {
			t.Fatalf("%s: %+v, %+v, expected Counted 1", line, a, b)
		}
		want(t, printed(other.Take()), printed(one.Take())...)
	}
}

func BenchmarkCustom(b *testing.B) {
	records, size := benchLog()
	f := customPlan(b, apacheCombined, "INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status").NewFold()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		var tally batch.Tally
		f.Add(part, records, &tally)
		if tally.Counted != benchLines {
			b.Fatalf("fates: %+v, expected Counted %v", tally, benchLines)
		}
	}
	if got, want := f.Take().Tables[0].Len(), len(countByRegexp(records)); got != want {
		b.Fatalf("%d groups, expected %d", got, want)
	}
}

// Any format and line give a format or an error, and each record has exactly one fate.
func FuzzCustom(f *testing.F) {
	for _, format := range []string{apacheCombined, nginxTimes, "vhost_combined", "%{%F %T}t %h", "$__: $_ $status", `escape=none '"$a" $b'`} {
		f.Add(format, "203.0.113.7 - -"+nginxTail)
	}
	f.Fuzz(func(t *testing.T, format, line string) {
		o := DefaultOptions()
		o.FormatString = format
		p, err := Compile("INSERT INTO t SELECT _offset, COUNT(*) AS n FROM events GROUP BY 1", o)
		if err != nil {
			return
		}
		fold := p.NewFold()
		if tally := feed(fold, line); tally.Counted+int64(len(tally.Dead)) != 1 {
			t.Fatalf("%q of %q: %+v, expected 1 record that is counted or dead", line, format, tally)
		}
	})
}
