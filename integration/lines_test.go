//go:build integration

package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// TestLines_EveryReceiver sends lines to each receiver that is not Flume RPC, end to end to MySQL; etl is killed while
// netcat and HTTP clients send, and every line that got OK is counted.
func TestLines_EveryReceiver(t *testing.T) {
	const each = 300
	ctx := etltest.Bounded(t, 2*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT _body AS line, COUNT(*) AS n FROM events GROUP BY line"), 0o600); err != nil {
		t.Fatal(err)
	}
	netcat, netcatUDP, syslog, syslogUDP, web := etltest.FreeAddr(t), etltest.FreeAddr(t), etltest.FreeAddr(t), etltest.FreeAddr(t), etltest.FreeAddr(t)
	says := sayLines(t, "socket", each)
	s.more = []string{"--format=raw"}
	s.every = []string{"--netcat-listen=" + netcat, "--netcat-udp-listen=" + netcatUDP, "--syslog-tcp-listen=" + syslog,
		"--syslog-udp-listen=" + syslogUDP, "--http-listen=" + web, "--connect-socket=" + says}
	p := s.start(t, "run", "")
	etltest.Await(ctx, t, "etl is ready", func() bool { return p.Ready(ctx) })

	old, counted := dialed(t, "tcp", syslog), dialed(t, "tcp", syslog)
	udp, netcatDatagrams := dialed(t, "udp", syslogUDP), dialed(t, "udp", netcatUDP)
	for i := range each {
		write(t, old, fmt.Sprintf("<13>Oct 11 22:14:15 web1 rfc3164-%d\n", i))
		m := fmt.Sprintf("<13>1 2026-10-11T22:14:15Z web1 app 1 - - rfc5424-%d", i)
		write(t, counted, fmt.Sprintf("%d %s", len(m), m))
		write(t, udp, fmt.Sprintf("<13>Oct 11 22:14:15 web1 datagram-%d", i))
		write(t, netcatDatagrams, fmt.Sprintf("line-%d\n", i))
		if i%50 == 49 { // nothing says when a datagram has arrived but its count
			etltest.Await(ctx, t, "the datagrams are counted", func() bool { return s.has(ctx, "datagram-") > i && s.has(ctx, "line-") > i })
		}
	}
	for _, kind := range []string{"rfc3164-", "rfc5424-", "socket-"} {
		etltest.Await(ctx, t, kind+" is counted", func() bool { return s.has(ctx, kind) == each })
	}

	// The netcat and HTTP clients continue until etl is killed.
	answered := make(chan []string, 2)
	go func() { answered <- sendNetcat(netcat) }()
	go func() { answered <- sendHTTP(ctx, web) }()
	etltest.Await(ctx, t, "both are counted", func() bool { return s.has(ctx, "netcat-") > 20 && s.has(ctx, "http-") > 20 })
	p.Kill(t)
	lines := append(<-answered, <-answered...)
	p = s.start(t, "run", "")
	etltest.Await(ctx, t, "etl is ready again", func() bool { return p.Ready(ctx) })
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	for _, line := range lines {
		var n int
		if err := s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(n), 0) FROM seen WHERE line = ?", line).Scan(&n); err != nil || n != 1 {
			t.Errorf("%q got OK and is counted %d times, %v; expected 1 and no error", line, n, err)
		}
	}
	t.Logf("%d lines got OK before the kill", len(lines))
	p.Stop(ctx, t)
}

// has returns how many different lines of a kind are counted, whatever header precedes them.
func (s *site) has(ctx context.Context, kind string) (n int) {
	_ = s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM seen WHERE line LIKE ? OR line LIKE ?", kind+"%", "% "+kind+"%").Scan(&n)
	return n
}

// sayLines starts a server that sends lines to its first client, and then sends nothing.
func sayLines(t *testing.T, kind string, n int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var conns []net.Conn
		defer func() {
			for _, c := range conns {
				_ = c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			if conns = append(conns, c); len(conns) > 1 {
				continue
			}
			for i := range n {
				_, _ = fmt.Fprintf(c, "%s-%d\n", kind, i) // what does not arrive is missing in the end
			}
		}
	}()
	return l.Addr().String()
}

func dialed(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// sendNetcat sends one line at a time until the connection ends, and returns the lines that got OK.
func sendNetcat(addr string) (ok []string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		line := fmt.Sprintf("netcat-%d", len(ok))
		if _, err := io.WriteString(c, line+"\n"); err != nil {
			return ok
		}
		if answer, err := in.ReadString('\n'); err != nil || answer != "OK\n" {
			return ok
		}
		ok = append(ok, line)
	}
}

// sendHTTP posts one event at a time until a request fails, and returns those that got 200.
func sendHTTP(ctx context.Context, addr string) (ok []string) {
	for {
		line := fmt.Sprintf("http-%d", len(ok))
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr, strings.NewReader(`[{"headers":{},"body":"`+line+`"}]`))
		if err != nil {
			return ok
		}
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			return ok
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return ok
		}
		ok = append(ok, line)
	}
}
