package receivertest

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// Step is what a server expects, and its reply.
type Step = [2][]byte

// Serve returns the address of a server that performs the steps with one client, byte for byte. After a last step
// without a reply it waits for the client to close the connection.
func Serve(t *testing.T, steps ...Step) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(Timeout))
		for i, s := range steps {
			want, answer := s[0], s[1]
			got := make([]byte, len(want))
			if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("step %d: sent %x (%v)\nwant %x", i, got[:n], err, want)
				return
			}
			if _, err := c.Write(answer); err != nil {
				t.Error(err)
			}
		}
		if steps[len(steps)-1][1] == nil {
			_, _ = c.Read(make([]byte, 1))
		}
	}()
	return l.Addr().String()
}
