package app

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/quote"
)

// A server at MySQL's address rejects the connection with a text that contains control sequences for the terminal.
func TestCheck_hostileServer(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\x9b31m\u202eabc\u2066\u2028\x7f\r"
	packet := append([]byte{0xff, 0x69, 0x04}, hostile...) // ERR 1129
	addr := etltest.Serve(t, func(c net.Conn) {
		_, _ = c.Write(append([]byte{byte(len(packet)), 0, 0, 0}, packet...))
	})
	cfg := config(t, broker(t).ListenAddrs()[0], "u:p@tcp("+addr+")/d")
	for what, run := range map[string]func(*bytes.Buffer) error{
		"check": func(out *bytes.Buffer) error { return Check(t.Context(), cfg, out) },
		"ddl":   func(out *bytes.Buffer) error { return DDL(t.Context(), cfg, out) },
	} {
		var out bytes.Buffer
		err := run(&out)
		if text := out.String(); quote.Needed(strings.ReplaceAll(text, "\n", "")) || !strings.Contains(text, `\x1b]0;owned\x07`) {
			t.Errorf("%s: %v, %q", what, err, text)
		}
	}
}
