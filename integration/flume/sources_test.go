//go:build integration

package flume

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// source is one source of an agent, and its result.
type source struct {
	title  string   // of its part of a golden
	lines  []string // properties, without "sources.sN."
	full   bool     // its channel holds two events, and has no sink
	addr   string
	events *kept
}

// startSources starts an agent 1.11.0 in UTC with the sources, each with its own channel and Avro sink.
func startSources(t *testing.T, sources []*source) {
	t.Helper()
	jvmtest.Need(t, jvmtest.Flume111)
	t.Setenv("TZ", "UTC")
	var names, sinks, lines []string
	for i, s := range sources {
		n := i + 1
		s.addr = etltest.FreeAddr(t)
		host, port, _ := net.SplitHostPort(s.addr)
		names = append(names, strconv.Itoa(n))
		for _, line := range append(s.lines, "port="+port, "bind="+host, "host="+host, "channels=c"+strconv.Itoa(n)) {
			lines = append(lines, fmt.Sprintf("sources.s%d.%s", n, line))
		}
		if s.full {
			lines = append(lines, fmt.Sprintf("channels.c%d.type=memory", n), fmt.Sprintf("channels.c%d.capacity=2", n),
				fmt.Sprintf("channels.c%d.transactionCapacity=2", n), fmt.Sprintf("channels.c%d.keep-alive=0", n))
			continue
		}
		s.events = keep(t)
		sinks = append(sinks, strconv.Itoa(n))
		lines = append(lines, s.events.sinkTo(n)...)
	}
	lines = append(lines, "sources=s"+strings.Join(names, " s"), "channels=c"+strings.Join(names, " c"), "sinks=k"+strings.Join(sinks, " k"))
	jvmtest.StartAgent(t, jvmtest.Flume111, etltest.Spool{}.Properties(lines...))
}

// awaitTCP waits until the source listens, because the agent starts one source after another.
func awaitTCP(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	etltest.Await(ctx, t, addr+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// ask sends bytes on a new connection, closes its sending side, and returns the whole reply.
func ask(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, _ := io.ReadAll(c) // a reset after the answer is an end as well
	return string(answer)
}

const sourcesHead = `# What a Flume agent 1.11.0 made of its input (>): the reply, if there is one (=), and the events (<), whose headers
# are sorted. %sMade by
#   go test -tags integration -run '^%s$' ./integration/flume -rewrite
`

// syslogLines are sent to syslog sources, with and without what the RFCs require.
var syslogLines = []string{
	"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
	"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
	"<13>Dec 31 23:59:59 host the end of the year",
	"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] An application event log entry",
	"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - BOM'su root' failed",
	"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
	"<34>2003-10-11T22:14:15.003+02:00 nover message without a version",
	"<0>1 - - - - - - nothing but nils",
	"<191>1 2003-10-11T22:14:15Z host app 1 2 -",
	"no priority at all",
	"<abc>Oct 11 22:14:15 host letters for a priority",
	"<>Oct 11 22:14:15 host empty priority",
	"<1234>Oct 11 22:14:15 host four digits",
	"<192>Oct 11 22:14:15 host beyond the last priority",
	"<34>no date here",
	"<34>",
	"",
	"<34>Oct 11 22:14:15 host caf\u00e9 \u65e5\u672c",
	"<34>Oct 11 22:14:15 host byte \xff\xfe that is no UTF-8",
	"<34>Oct 11 22:14:15 host carriage return\r",
	"<34>Oct 11 22:14:15 host two  spaces  and\ttab",
	"83 <34>1 2003-10-11T22:14:15.003Z host app - - - counted octets",
	"<34>Oct 11 22:14:15 long " + strings.Repeat("x", 2600),
}

// TestReal_SyslogSources records the events that Flume's syslog sources make of lines and datagrams.
func TestReal_SyslogSources(t *testing.T) {
	ctx := etltest.Bounded(t, 90*time.Second)
	sources := []*source{
		{title: "syslogtcp", lines: []string{"type=syslogtcp"}},
		{title: "syslogtcp, keepFields = all", lines: []string{"type=syslogtcp", "keepFields=all"}},
		{title: "syslogtcp, keepFields = timestamp hostname", lines: []string{"type=syslogtcp", "keepFields=timestamp hostname"}},
		{title: "syslogudp", lines: []string{"type=syslogudp"}},
		{title: "syslogudp, keepFields = all", lines: []string{"type=syslogudp", "keepFields=all"}},
	}
	startSources(t, sources)
	var text strings.Builder
	fmt.Fprintf(&text, sourcesHead, fmt.Sprintf("It was recorded in %d in UTC: a date without a year\n# is of that year, or of an adjacent one. After each input the sources got a valid line of priority 13, not shown:\n# if Flume does not understand a line, its event gets the priority of the previous event. ", time.Now().UTC().Year()), t.Name())
	for _, s := range sources {
		fmt.Fprintf(&text, "\n== %s\n", s.title)
		tcp := strings.HasPrefix(s.title, "syslogtcp")
		network, end := "udp", ""
		if tcp {
			awaitTCP(ctx, t, s.addr)
			network, end = "tcp", "\n"
		}
		c, err := net.Dial(network, s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		send := func(line string) bool { _, err := io.WriteString(c, line+end); return err == nil }
		mark := func(n string) string { return "<13>Oct 11 22:14:15 mark end-" + n + "." }
		etltest.Await(ctx, t, s.title+" listens", func() bool {
			return send(mark("first")) && etltest.Within(time.Second, func() bool { return s.events.has("end-first.") })
		})
		for i, line := range syslogLines {
			n := strconv.Itoa(i)
			if !send(line) || !send(mark(n)) {
				t.Fatalf("%s: cannot send line %s, expected the connection to stay open", s.title, n)
			}
			fmt.Fprintf(&text, "> %q\n", line)
			for _, e := range s.events.upTo(ctx, t, "end-"+n+".") {
				if !strings.Contains(e, "end-first.") {
					fmt.Fprintf(&text, "< %s\n", e)
				}
			}
		}
	}
	golden(t, "../../receiver/syslog/testdata/flume-1.11.0.txt", text.String(), `"timestamp"="\d+"|made in \d+`)
}

// golden is like etltest.Golden, but ignores text that differs in each run.
func golden(t *testing.T, name, text, differs string) {
	t.Helper()
	if *rewrite {
		etltest.Golden(t, true, name, text)
		return
	}
	etltest.Compare(t, name, text, regexp.MustCompile(differs))
}

// TestReal_HTTPSource records the replies of Flume's HTTP source, and the events that it makes of requests.
func TestReal_HTTPSource(t *testing.T) {
	ctx := etltest.Bounded(t, 90*time.Second)
	sources := []*source{
		{title: "http", lines: []string{"type=http"}},
		{title: "http, a channel with room for two events", lines: []string{"type=http"}, full: true},
	}
	startSources(t, sources)
	post := func(contentType, body string) string {
		head := "POST / HTTP/1.1\r\nHost: flume\r\nConnection: close\r\n"
		if contentType != "" {
			head += "Content-Type: " + contentType + "\r\n"
		}
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	const json = "application/json"
	requests := []string{
		post(json, `[{"headers":{"a":"b","c":"d"},"body":"text"},{"headers":{},"body":"second"}]`),
		post("", `[{"headers":{"a":"b"},"body":"no content type"}]`),
		post("application/json; charset=UTF-8", "[{\"headers\":{\"k\u00e9\":\"v\u00e9\"},\"body\":\"caf\u00e9 \\u65e5\"}]"),
		post("application/json; charset=UTF-16BE", utf16(`[{"headers":{"a":"b"},"body":"sixteen é"}]`)),
		post("application/json; charset=ISO-8859-1", "[{\"headers\":{},\"body\":\"caf\xe9\"}]"),
		post("text/plain; charset=US-ASCII", `[{"body":"ascii"}]`),
		post("text/plain", `[{"body":"any type"}]`),
		post(json, `[{"headers":{"a":"b"}}]`),
		post(json, `[{"body":"no headers"}]`),
		post(json, `[{"headers":null,"body":null}]`),
		post(json, `[{"headers":{"n":1,"t":true},"body":"headers that are no strings"}]`),
		post(json, `[{"headers":{"o":{"x":1}},"body":"object header"}]`),
		post(json, `[{"body":12}]`),
		post(json, `[{"body":{"x":1}}]`),
		post(json, `[{"body":"a","other":1}]`),
		post(json, `[{"headers":{"a":"1","a":"2"},"body":"twice"}]`),
		post(json, `{"headers":{"a":"b"},"body":"an object"}`),
		post(json, `[]`),
		post(json, ``),
		post(json, `null`),
		post(json, `[null]`),
		post(json, `not json`),
		post(json, `[{"body":"cut of`),
		post(json, `[{"body":"a"}] trailing`),
		post(json, `[{'body':'single quotes'},]`),
		post(json, "[{\"body\":\"byte \xff\"}]"),
		post(json, `[{"body":"line\nbreak \u0000 nul"}]`),
		"GET / HTTP/1.1\r\nHost: flume\r\nConnection: close\r\n\r\n",
		"GET /?a=b HTTP/1.1\r\nHost: flume\r\nConnection: close\r\nContent-Length: 16\r\n\r\n[{\"body\":\"got\"}]",
		"PUT /other/path HTTP/1.1\r\nHost: flume\r\nConnection: close\r\nContent-Length: 16\r\n\r\n[{\"body\":\"put\"}]",
		"HEAD / HTTP/1.1\r\nHost: flume\r\nConnection: close\r\n\r\n",
		"OPTIONS / HTTP/1.1\r\nHost: flume\r\nConnection: close\r\n\r\n",
		"TRACE / HTTP/1.1\r\nHost: flume\r\nConnection: close\r\n\r\n",
		"POST /any/path?q=1 HTTP/1.1\r\nHost: flume\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n[{\"body\":\"chunks\"}\r\n1\r\n]\r\n0\r\n\r\n",
	}
	var text strings.Builder
	fmt.Fprintf(&text, sourcesHead, "A date is omitted. ", t.Name())
	for _, s := range sources {
		fmt.Fprintf(&text, "\n== %s\n", s.title)
		awaitTCP(ctx, t, s.addr)
		these := requests
		if s.full {
			these = []string{post(json, `[{"body":"1"},{"body":"2"},{"body":"3"}]`), post(json, `[{"body":"1"}]`), post(json, `[{"body":"2"}]`), post(json, `[{"body":"3"}]`)}
		}
		for i, request := range these {
			answer := ask(t, s.addr, request)
			fmt.Fprintf(&text, "> %q\n= %q\n", request, regexp.MustCompile(`Date: [^\r]*\r\n`).ReplaceAllString(answer, ""))
			if s.full {
				continue
			}
			mark := fmt.Sprintf("end-%d.", i)
			if answer := ask(t, s.addr, post(json, `[{"body":"`+mark+`"}]`)); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
				t.Fatalf("got %v, expected it to begin with %q", answer, "HTTP/1.1 200 ")
			}
			for _, e := range s.events.upTo(ctx, t, mark) {
				fmt.Fprintf(&text, "< %s\n", e)
			}
		}
	}
	// A servlet's number has seven or eight digits, which changes the length of a page.
	golden(t, "../../receiver/http/testdata/flume-1.11.0.txt", text.String(), `\.java:\d+|FlumeHTTPServlet-[0-9a-f]+|Content-Length: \d+\\r\\nServer`)
}

// utf16 encodes characters of the basic plane in big-endian UTF-16.
func utf16(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r>>8), byte(r))
	}
	return string(b)
}

// TestReal_NetcatSources records the replies of Flume's netcat sources, and the events that they make of lines and
// datagrams.
func TestReal_NetcatSources(t *testing.T) {
	ctx := etltest.Bounded(t, 90*time.Second)
	sources := []*source{
		{title: "netcat", lines: []string{"type=netcat"}},
		{title: "netcat, ack-every-event = false", lines: []string{"type=netcat", "ack-every-event=false"}},
		{title: "netcat, a channel with room for two events", lines: []string{"type=netcat"}, full: true},
		{title: "netcatudp, remoteAddress = from", lines: []string{"type=netcatudp", "remoteAddress=from"}},
	}
	// A netcat source has no counters, by which StartAgent detects that the agent runs; another kind has.
	startSources(t, append(sources, &source{lines: []string{"type=http"}, full: true}))
	inputs := []string{
		"one\n", "one\ntwo\nthree\n", "carriage return\r\n", "\n", "", "no end", "one\nno end", "caf\u00e9 \u65e5\u672c\n", "byte \xff\xfe\n", "nul \x00 byte\n", "tab\tand  spaces \n",
		strings.Repeat("x", 511) + "\n", strings.Repeat("x", 512) + "\n", "one\n" + strings.Repeat("x", 600) + "\nafter\n",
	}
	var text strings.Builder
	fmt.Fprintf(&text, sourcesHead, "Each input is a connection of its own whose sending side is then closed,\n# or a datagram. ", t.Name())
	for _, s := range sources {
		fmt.Fprintf(&text, "\n== %s\n", s.title)
		if strings.HasPrefix(s.title, "netcatudp") {
			c, err := net.Dial("udp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			send := func(line string) bool { _, err := io.WriteString(c, line); return err == nil }
			etltest.Await(ctx, t, s.title+" listens", func() bool {
				return send("end-first.") && etltest.Within(time.Second, func() bool { return s.events.has("end-first.") })
			})
			for i, input := range inputs {
				mark := fmt.Sprintf("end-%d.", i)
				if !send(input) || !send(mark) {
					t.Fatal("cannot send")
				}
				fmt.Fprintf(&text, "> %q\n", input)
				for _, e := range s.events.upTo(ctx, t, mark) {
					if !strings.Contains(e, "end-first.") {
						fmt.Fprintf(&text, "< %s\n", e)
					}
				}
			}
			continue
		}
		awaitTCP(ctx, t, s.addr)
		these := inputs
		if s.full {
			these = []string{"1\n2\n", "3\n4\n"}
		}
		for i, input := range these {
			fmt.Fprintf(&text, "> %q\n= %q\n", input, ask(t, s.addr, input))
			if s.full {
				continue
			}
			mark := fmt.Sprintf("end-%d.", i)
			ask(t, s.addr, mark+"\n")
			for _, e := range s.events.upTo(ctx, t, mark) {
				fmt.Fprintf(&text, "< %s\n", e)
			}
		}
	}
	golden(t, "../../receiver/netcat/testdata/flume-1.11.0.txt", text.String(), `/127\.0\.0\.1:\d+`)
}
