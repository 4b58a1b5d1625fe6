//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// connections is the number of senders; each numbers its events.
const connections = 4

// load sends access-log lines over Avro in short batches, as agents do: a batch without an OK is sent again, on a new
// connection, until it gets one.
type load struct {
	seed  uint64
	addr  string
	batch int   // events in a request
	total int64 // events in all, at least

	rate     int         // events a second over all connections, until hurried
	hurried  atomic.Bool // as fast as it goes, and end at total
	acked    [connections]atomic.Int64
	resent   atomic.Int64 // requests that were sent again
	answered atomic.Int64 // events answered OK
}

// run sends until total events got OK and hurry was called, or ctx is done.
func (l *load) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for p := range connections {
		g.Go(func() error { return l.produce(ctx, p) })
	}
	return g.Wait()
}

// hurry stops the pacing; the load ends when its total is sent.
func (l *load) hurry() { l.hurried.Store(true) }

func (l *load) produce(ctx context.Context, p int) error {
	var s *sender
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	pace := time.NewTicker(time.Second * time.Duration(l.batch*connections) / time.Duration(l.rate))
	defer pace.Stop()
	headers := map[string]string{"producer": strconv.Itoa(p)}
	bodies := make([][]byte, l.batch)
	for first := int64(0); ; first += int64(l.batch) {
		if l.hurried.Load() && first >= l.total/connections {
			return nil
		}
		for i := range bodies {
			bodies[i] = line(bodies[i][:0], l.seed, p, first+int64(i))
		}
		for {
			if !l.hurried.Load() || s == nil {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return fmt.Errorf("producer %d stopped at event %d: %w", p, first, context.Cause(ctx))
				}
			}
			var err error
			if s == nil {
				if s, err = dial(ctx, l.addr); err != nil {
					continue
				}
			}
			// A reply may take as long as --ack-timeout; a sender's own timeout is longer.
			if err = s.appendBatch(bodies, headers, 20*time.Second); err == nil {
				break
			}
			s.close()
			s = nil
			l.resent.Add(1)
		}
		l.acked[p].Store(first + int64(l.batch))
		l.answered.Add(int64(l.batch))
	}
}

// seed returns the value of SLUICE_SEED, or a new seed, and prints it.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64()
	if text := os.Getenv("SLUICE_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SLUICE_SEED=%s: %v", text, err)
		}
	}
	t.Logf("seed %d; to repeat it: SLUICE_SEED=%d go test -tags integration -run '^%s$' ./integration", s, s, t.Name())
	return s
}

// line appends event number seq of producer p: an access-log line whose last field identifies the event. Some lines do
// not parse, some are filtered, some have no size.
func line(dst []byte, seed uint64, p int, seq int64) []byte {
	r := rand.New(rand.NewPCG(seed+uint64(p), uint64(seq)))
	if r.IntN(200) == 0 {
		return fmt.Appendf(dst, "this is no access log %d/%d", p, seq)
	}
	method, size := "GET", strconv.Itoa(r.IntN(20_000))
	if r.IntN(20) == 0 {
		method = "POST"
	}
	status := 200
	switch r.IntN(10) {
	case 0:
		status, size = 304, "-"
	case 1:
		status = 500
	}
	// Most lines are for few paths, as on a real site.
	path := int(200 * r.Float64() * r.Float64() * r.Float64())
	return fmt.Appendf(dst, `10.0.%d.%d - - [21/Nov/2026:10:%02d:%02d +0000] "%s /page/%d HTTP/1.1" %d %s "-" "%d/%d"`,
		p, r.IntN(12), r.IntN(10), r.IntN(60), method, path, status, size, p, seq)
}
