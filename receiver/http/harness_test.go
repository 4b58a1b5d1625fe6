package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Short names of shared test helpers.
type (
	kafka = receivertest.Kafka
	raw   = receivertest.Raw
)

// fixture is a running receiver.
type fixture struct {
	*receivertest.Fixture
	r *Receiver
}

func start(t *testing.T, a receiver.Appender, change func(*Config, *receiver.Runtime)) *fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	g := &fixture{}
	g.Fixture, g.r = receivertest.StartConfig(t, a, cfg, New, change)
	return g
}

// answer is the reply to a request.
type answer struct {
	status int
	body   string
	header http.Header
}

// client returns an HTTP client with its own connections, which are closed with the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: receivertest.Timeout}
}

func do(t *testing.T, c *http.Client, q *http.Request) answer {
	t.Helper()
	r, err := c.Do(q)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{r.StatusCode, string(body), r.Header}
}

// request returns a request to the receiver. fields are names and values of its header.
func (g *fixture) request(method, body string, fields ...string) *http.Request {
	g.T.Helper()
	q, err := http.NewRequestWithContext(g.T.Context(), method, "http://"+g.Addr+"/any/path?q=1", strings.NewReader(body))
	if err != nil {
		g.T.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	return q
}

func (g *fixture) post(body string, fields ...string) answer {
	g.T.Helper()
	return do(g.T, client(g.T), g.request(http.MethodPost, body, fields...))
}

// raw returns the text of a POST.
func postOf(body string) []byte {
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// status reads one complete reply, and expects its status.
func status(c raw, want int) {
	c.T.Helper()
	_ = c.SetReadDeadline(time.Now().Add(receivertest.Timeout))
	var head []byte // byte by byte, so that the bytes of the next reply are not consumed
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil {
			c.T.Fatalf("reply %q: %v; expected status %d", head, err, want)
		}
		head = append(head, b[0])
	}
	r, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), c)), nil)
	if err != nil {
		c.T.Fatal(err)
	}
	defer r.Body.Close()
	body := make([]byte, max(r.ContentLength, 0))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		c.T.Fatal(err)
	}
	if r.StatusCode != want {
		c.T.Fatalf("status %d, %q: expected %d", r.StatusCode, body, want)
	}
}
