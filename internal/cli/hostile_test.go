package cli

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/flumeclient"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/quote"
)

// hostile sets the terminal's title, clears the screen, sets a colour in three encodings, and reverses the line.
const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\x9b31m\u202eabc\u2066\u2028\x7f\r"

func wantSafe(t *testing.T, what, text string) {
	t.Helper()
	if quote.Needed(strings.ReplaceAll(text, "\n", "")) || !strings.Contains(text, `]0;owned`) {
		t.Errorf("%s: %q", what, text)
	}
}

// A Thrift server replies to each request with an exception whose text has control sequences.
func TestSend_hostileServer(t *testing.T) {
	withoutEnvironment(t)
	addr := etltest.Serve(t, func(c net.Conn) { _ = exception(c) })
	file := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := Main([]string{"send", "--resend=false", "--thrift-protocol=binary", "--to=thrift://" + addr, file}, Streams{Out: &out, Err: &errs})
	if code != ExitFailed {
		t.Errorf("exit code %d, expected %v", code, ExitFailed)
	}
	wantSafe(t, "send", errs.String())
}

// exception replies to one request in the binary protocol.
func exception(c net.Conn) error {
	head := make([]byte, 12) // length of the frame, version and type, length of the name
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	rest := make([]byte, binary.BigEndian.Uint32(head)-8)
	if _, err := io.ReadFull(c, rest); err != nil {
		return err
	}
	name := binary.BigEndian.Uint32(head[8:])
	reply := append(binary.BigEndian.AppendUint32(nil, 0x80010003), head[8:12]...)
	reply = append(reply, rest[:name+4]...) // the name and the sequence number
	reply = binary.BigEndian.AppendUint32(append(reply, 11, 0, 1), uint32(len(hostile)))
	reply = append(append(reply, hostile...), 8, 0, 2, 0, 0, 0, 0, 0)
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...))
	return err
}

// The progress line escapes the server's text; the only control characters are its own, at both ends.
func TestProgress_hostileText(t *testing.T) {
	t.Parallel()
	for _, rewrite := range []bool{false, true} {
		var out bytes.Buffer
		p := &progress{out: &out, rewrite: rewrite}
		p.note(errors.New(hostile))
		p.show(flumeclient.Summary{Elapsed: time.Minute})
		wantSafe(t, "progress", strings.TrimPrefix(out.String(), "\r"))
	}
}

// Errors contain text of servers and files, which is escaped except for line ends.
func TestReport_hostileText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := Report(&out, "etl", errors.Join(errors.New("one"), errors.New(hostile))); code != ExitFailed {
		t.Errorf("exit code %d, expected %v", code, ExitFailed)
	}
	wantSafe(t, "report", out.String())
	if !strings.HasPrefix(out.String(), "etl: one\netl: ") {
		t.Errorf("got %q, expected it to begin with %q", out.String(), "etl: one\netl: ")
	}
}

// Logs in both formats, with attributes and groups.
func TestLogger_hostileText(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := LogOptions{LogLevel: "info", LogFormat: format}.Logger(&out)
		log.With("peer", hostile).WithGroup("g").Info("Said", "err", errors.New(hostile), "del", "\x7f", "bidi", "\u202e")
		wantSafe(t, format, out.String())
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %q, expected 1 line", format, out.String())
		}
	}
}

// A line is text of others: it is shown without its control sequences, where it is a value and where it is why an
// expression failed. A line ending in it is a usage error.
func TestExplain_hostileLine(t *testing.T) {
	withoutEnvironment(t)
	explain := func(line string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = Main([]string{"explain", "--format=raw", "--query=INSERT INTO t SELECT body, SUM(CAST(body AS SIGNED)) AS n FROM events GROUP BY body", "--line=" + line}, Streams{Out: &o, Err: &e})
		return code, o.String(), e.String()
	}
	code, out, errs := explain(strings.TrimSuffix(hostile, "\r"))
	if code != 0 || !strings.Contains(out, "    failed: ") {
		t.Errorf("exit code %d, output %q, errors %q, expected code 0 and an expression that failed", code, out, errs)
	}
	wantSafe(t, "explain", out)
	if code, _, errs := explain("a\nb"); code != ExitUsage || !strings.Contains(errs, "--line has a line ending, must be one line") {
		t.Errorf("exit code %d, errors %q, expected %d and that the line must be one", code, errs, ExitUsage)
	}
}
