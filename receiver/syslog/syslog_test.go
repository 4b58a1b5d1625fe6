package syslog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the time of the recording.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func frames() *receiver.Frames {
	return receiver.NewFrames(receiver.NewAdmission(receiver.Config{MaxBytesInFlight: 1 << 30}, nil))
}

func show(e receiver.Event) string {
	headers := map[string]string{}
	for _, h := range e.Headers {
		headers[string(h.Key)] = string(h.Value)
	}
	return shown(headers, string(e.Body))
}

func shown(headers map[string]string, body string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(headers)) {
		parts = append(parts, fmt.Sprintf("%q=%q", k, headers[k]))
	}
	return "{" + strings.Join(parts, ",") + "} " + strconv.Quote(body)
}

// made returns the events that we make from a stream.
func made(t testing.TB, c Format, stream string, most int) (events []string) {
	t.Helper()
	f, err := frames().Begin(t.Context(), time.Now(), time.Now().Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	cutter := cutter{most: most}
	for rest := []byte(stream); ; {
		body, after, ok := cutter.cut(rest)
		if !ok {
			if len(after) != 0 {
				t.Errorf("%q was left of %q, expected none", after, stream)
			}
			break
		}
		rest = after
		f.Events = append(f.Events, receiver.Event{Body: body})
	}
	if err := c.finish(f, most, now); err != nil {
		t.Fatal(err)
	}
	for _, e := range f.Events {
		events = append(events, show(e))
	}
	return events
}

// golden reads the recorded inputs and events of a real Flume, by section.
func golden(t *testing.T, section string) (inputs []string, events map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/flume-1.11.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	events = map[string][]string{}
	_, part, ok := strings.Cut(string(text), "== "+section+"\n")
	if !ok {
		t.Fatalf("the golden has no section %s", section)
	}
	part, _, _ = strings.Cut(part, "\n== ")
	input := ""
	for line := range strings.Lines(part) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "> "):
			if input, err = strconv.Unquote(line[2:]); err != nil {
				t.Fatal(err)
			}
			inputs = append(inputs, input)
		case strings.HasPrefix(line, "< "):
			events[input] = append(events[input], line[2:])
		}
	}
	return inputs, events
}

// otherwise holds the intended differences from Flume, which the package comment explains.
var otherwise = map[string]string{
	"-07:00 192.0.2.1": `{"Facility"="20","Severity"="5","host"="192.0.2.1","priority"="165","timestamp"="1061727255000","version"="1"} "myproc 8710 - - %% It's time to make the do-nuts."`,
	"+02:00 nover":     `{"Facility"="4","Severity"="2","host"="nover","priority"="34","timestamp"="1065903255003"} "message without a version"`,
	"no priority":      `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"} "no priority at all"`,
	"letters for":      `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"} "<abc>Oct 11 22:14:15 host letters for a priority"`,
	"empty priority":   `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"} "<>Oct 11 22:14:15 host empty priority"`,
	"four digits":      `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"} "<1234>Oct 11 22:14:15 host four digits"`,
	"no date here":     `{"Facility"="4","Severity"="2","priority"="34"} "<34>no date here"`,
	"is no UTF-8":      `{"Facility"="4","Severity"="2","host"="host","priority"="34","timestamp"="1791756855000"} "byte \xff\xfe that is no UTF-8"`,
	"carriage return":  `{"Facility"="4","Severity"="2","host"="host","priority"="34","timestamp"="1791756855000"} "carriage return"`,
	"counted octets":   `{"Facility"="4","Severity"="2","host"="host","priority"="34","timestamp"="1065910455003","version"="1"} "app - - - counted octets"`,
}

// Each message gives the same event as with a real Flume, except for the intended differences.
func TestFlume(t *testing.T) {
	t.Parallel()
	inputs, events := golden(t, "syslogtcp")
	if len(inputs) < 20 {
		t.Fatalf("the golden has %d inputs, expected at least 20", len(inputs))
	}
	seen := map[string]bool{}
	for _, input := range inputs {
		want := events[input]
		for part, ours := range otherwise {
			if strings.Contains(input, part) {
				want, seen[part] = []string{ours}, true
			}
		}
		switch {
		case input == "<34>":
			want = []string{`{"Facility"="4","Severity"="2","priority"="34"} "<34>"`}
		case strings.Contains(input, " long xxx"):
			head, _, _ := strings.Cut(want[0], `} "`)
			if got := made(t, Format{Zone: time.UTC}, input+"\n", 2500); len(got) != 2 || !strings.HasPrefix(got[0], head) || !strings.HasPrefix(got[1], `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"}`) {
				t.Errorf("a long line became %.200q; expected 2 elements, got[0] to begin with %q and got[1] to begin with %q", got, head, `{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"}`)
			}
			continue
		}
		stream := input + "\n"
		if strings.Contains(input, "counted octets") {
			stream = fmt.Sprintf("%d %s", len(input)-3, input[3:])
		}
		if d := cmp.Diff(want, made(t, Format{Zone: time.UTC}, stream, 2500)); d != "" {
			t.Errorf("%q (-Flume +ours):\n%s", input, d)
		}
	}
	for part := range otherwise {
		if !seen[part] {
			t.Errorf("no input of the golden has %q", part)
		}
	}
}

// With keepFields = all the body is the whole line.
func TestFormat_keepFields(t *testing.T) {
	t.Parallel()
	inputs, events := golden(t, "syslogtcp, keepFields = all")
	for _, input := range inputs[:3] {
		if d := cmp.Diff(events[input], made(t, Format{KeepFields: true, Zone: time.UTC}, input+"\n", 2500)); d != "" {
			t.Errorf("%q (-Flume +ours):\n%s", input, d)
		}
	}
}

// Lines and counted octets follow each other on one connection; a counted message may contain line ends.
func TestCut(t *testing.T) {
	t.Parallel()
	got := made(t, Format{Zone: time.UTC}, "<1>a\n7 <2>b\nc\n<3>d\r\n\n4 <4>e", 100)
	var bodies []string
	for _, e := range got {
		_, body, _ := strings.Cut(e, "} ")
		bodies = append(bodies, body)
	}
	if d := cmp.Diff([]string{`"<1>a"`, `"<2>b\nc"`, `"<3>d"`, `"<4>e"`}, bodies); d != "" {
		t.Error(d)
	}
}

// A counted message above the limit becomes several events, and the messages after it are not affected.
func TestCut_longCount(t *testing.T) {
	t.Parallel()
	long := "<1>" + strings.Repeat("x", 22)
	var bodies []string
	for _, e := range made(t, Format{Zone: time.UTC, KeepFields: true}, "25 "+long+"5 <2>bc25 "+long[:24]+"\n5 <4>ef", 10) {
		_, body, _ := strings.Cut(e, "} ")
		bodies = append(bodies, body)
	}
	pieces := []string{`"<1>xxxxxxx"`, `"xxxxxxxxxx"`}
	want := slices.Concat(pieces, []string{`"xxxxx"`, `"<2>bc"`}, pieces, []string{`"xxxx"`, `"<4>ef"`})
	if d := cmp.Diff(want, bodies); d != "" {
		t.Error(d)
	}
}

// What was read just before Kafka became unavailable waits for Kafka without a limit, until the grace period of a stop
// ends; what is abandoned then counts as lost.
func TestP23_linesAreHeldWhileNotReady(t *testing.T) {
	t.Parallel()
	for _, returns := range []bool{true, false} {
		gate, asked := make(chan struct{}), make(chan int, 10)
		calls := 0
		k := &receivertest.Kafka{OnReady: func(ctx context.Context) error { // called by one connection
			calls++
			asked <- calls
			if calls != 2 { // the first call is before the connection is idle
				return nil
			}
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}}
		cfg := DefaultConfig()
		cfg.Listen, cfg.Zone = "127.0.0.1:0", time.UTC
		const ackTimeout = 20 * time.Millisecond
		g := receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver {
			rt.AckTimeout, rt.ShutdownTimeout = ackTimeout, 50*time.Millisecond
			if returns {
				rt.ShutdownTimeout = receivertest.Timeout
			}
			return New(cfg, rt)
		})
		c := g.Dial()
		<-asked
		c.Send([]byte("<34>1 - h - - - - one\n<34>1 - h - - - - two\nunfinished"))
		<-asked
		timer := time.NewTimer(3 * ackTimeout)
		<-timer.C
		g.Cancel()
		lost := 3.0
		if returns {
			close(gate)
			lost = 1
		}
		g.Stop()
		if returns {
			g.Wants(k.Bodies, "- - - - one", "- - - - two")
		}
		if n := g.Metric("etl_receiver_lost_events_total"); n != lost {
			t.Errorf("Kafka returns: %v; %v lines lost, expected %v", returns, n, lost)
		}
	}
}

// A line that was read waits for memory until the stop is over, because its sender never resends it.
func TestP33_linesAreHeldWhileMemoryIsUsedUp(t *testing.T) {
	t.Parallel()
	k := &receivertest.Kafka{}
	cfg := DefaultConfig()
	cfg.Listen, cfg.Zone = "127.0.0.1:0", time.UTC
	g := receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver { return New(cfg, rt) })
	// One lease has all of the budget, and another one is favoured, so a third has to wait.
	var held [2]receiver.Lease
	for i, n := range []int64{receiver.DefaultConfig().MaxBytesInFlight, 1} {
		g.Admission.Begin(&held[i])
		defer held[i].Release()
		if err := held[i].Grow(t.Context(), time.Time{}, n); err != nil {
			t.Fatal(err)
		}
	}
	g.Dial().Send([]byte("<34>1 - h - - - - one\n"))
	g.Until("the line waits for memory", func() bool { return g.Metric("etl_receiver_in_flight_waiting") == 1 })
	g.Cancel()
	g.Until("the stop has begun", func() bool {
		c, err := net.Dial("tcp", g.Addr)
		if err == nil {
			err = c.Close()
		}
		return err != nil
	})
	held[0].Release()
	held[1].Release()
	g.Stop()
	g.Wants(k.Bodies, "- - - - one")
	if n := g.Metric("etl_receiver_lost_events_total"); n != 0 {
		t.Errorf("%v lines lost, expected 0", n)
	}
}

// shows returns what Kafka has, as show formats it.
func shows(k *receivertest.Kafka) func() []string {
	return func() (all []string) {
		for _, e := range k.Events() {
			all = append(all, show(e))
		}
		return all
	}
}

// The lines of a sender that closes its connection at once are produced even if Kafka is slow, because it never resends
// them.
func TestReceiver_closedSendersLinesAreProduced(t *testing.T) {
	t.Parallel()
	ack := make(chan error)
	k := &receivertest.Kafka{Before: receivertest.Wait(ack)}
	cfg := DefaultConfig()
	cfg.Listen, cfg.Zone = "127.0.0.1:0", time.UTC
	const ackTimeout = 50 * time.Millisecond
	g := receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver {
		rt.AckTimeout = ackTimeout
		return New(cfg, rt)
	})
	c := g.Dial()
	c.Send([]byte("<34>1 - h - - - - one\n<34>1 - h - - - - two\n"))
	c.Close()
	timer := time.NewTimer(2 * ackTimeout)
	<-timer.C
	close(ack)
	g.Wants(k.Bodies, "- - - - one", "- - - - two")
}

func TestUDP(t *testing.T) {
	t.Parallel()
	k := &receivertest.Kafka{}
	cfg := DefaultUDPConfig()
	cfg.Listen = "127.0.0.1:0"
	g := receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver {
		return NewUDP(cfg, Format{Zone: time.UTC}, rt)
	})
	c := g.DialUDP()
	for _, m := range []string{"<34>1 - h - - - - one", "<34>1 - h - - - - two\nthree", "no priority"} {
		c.Send([]byte(m))
	}
	g.Wants(shows(k),
		`{"Facility"="4","Severity"="2","host"="h","priority"="34","version"="1"} "- - - - one"`,
		`{"Facility"="4","Severity"="2","host"="h","priority"="34","version"="1"} "- - - - two"`,
		`{"Facility"="0","Severity"="0","flume.syslog.status"="Invalid"} "no priority"`)
}

// FuzzParse: for any input the body is part of it, and every byte of a stream is in one message or kept.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/flume-1.11.0.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			if input, err := strconv.Unquote(quoted); err == nil && len(input) < 300 {
				f.Add([]byte(input + "\n"))
			}
		}
	}
	f.Add([]byte("7 <2>b\nc\n4 <4>e"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 40
		used := 0
		cutter := cutter{most: most}
		for rest := stream; ; {
			body, after, ok := cutter.cut(rest)
			if !ok {
				if len(after) > most+8 || used+len(after) != len(stream) {
					t.Fatalf("%q: %d bytes kept after %d; expected at most %v kept, and %v in total", stream, len(after), used, most+8, len(stream))
				}
				return
			}
			if len(after) >= len(rest) {
				t.Fatalf("%q: nothing was cut of %q", stream, rest)
			}
			used += len(rest) - len(after)
			rest = after
			m := parse(body, now, time.UTC)
			if !bytes.Contains(body, m.body) || !bytes.Contains(body, m.host) || m.priority > 999 {
				t.Fatalf("%q: %+v; expected it to contain %q, %q and priority at most 999", body, m, m.body, m.host)
			}
		}
	})
}

func BenchmarkFinish(b *testing.B) {
	const n = 1000
	line := []byte("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\"] An application event log entry")
	f, err := frames().Begin(b.Context(), time.Now(), time.Now().Add(time.Hour), 0)
	if err != nil {
		b.Fatal(err)
	}
	c := Format{Zone: time.UTC}
	raw := make([]receiver.Event, n)
	for i := range raw {
		raw[i].Body = line
	}
	b.SetBytes(int64(n * len(line)))
	b.ReportAllocs()
	for b.Loop() {
		f.Reset()
		f.Events = append(f.Events, raw...)
		if err := c.finish(f, 2500, now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
	if len(f.Events) != n || len(f.Events[n-1].Headers) != 6 {
		b.Fatalf("%d events, the last %s; expected %v, the last with 6 headers", len(f.Events), show(f.Events[n-1]), n)
	}
}
