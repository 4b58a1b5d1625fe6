package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dials records why the last attempt to connect to each broker failed. The client itself often reports only that a
// request timed out, and retries a produced record without any error. It is a hook of one or more clients, and safe for
// concurrent use.
type dials struct {
	mu     sync.Mutex
	failed map[string]failedDial // by host:port; a successful connection removes the entry
}

type failedDial struct {
	at  time.Time
	err error
}

var _ kgo.HookBrokerConnect = (*dials)(nil)

// A failed attempt is reported for dialAge: a client that needs the broker retries much sooner. At most maxDials are
// stored and maxShown reported, because the addresses come from Kafka.
const (
	dialAge  = time.Minute
	maxDials = 100
	maxShown = 3
)

// abortedDial is the error of an attempt to connect that ended because its caller's context was done. It looks like the
// timeout of a broker that does not reply, but is not evidence about the broker.
type abortedDial struct{ error }

func (a abortedDial) Unwrap() error { return a.error }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// markAborted wraps dial so that an error is an abortedDial if ctx is done.
func markAborted(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil && ctx.Err() != nil {
			err = abortedDial{err}
		}
		return conn, err
	}
}

// OnBrokerConnect is called after each attempt, including the TLS handshake and authentication. An attempt that its
// caller aborted is ignored.
func (d *dials) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	if _, ok := errors.AsType[abortedDial](err); ok {
		return
	}
	address := addressOf(meta.Host, meta.Port)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.failed, address)
		return
	}
	now := time.Now()
	if d.failed == nil {
		d.failed = make(map[string]failedDial)
	}
	maps.DeleteFunc(d.failed, func(_ string, f failedDial) bool { return now.Sub(f.at) > dialAge })
	if len(d.failed) < maxDials {
		d.failed[address] = failedDial{now, err}
	}
}

// to returns why the last attempt to connect to the address failed, or nil.
func (d *dials) to(address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.failed[address]; ok && time.Since(f.at) <= dialAge {
		return f.err
	}
	return nil
}

// explain adds the last connection error of each broker that cannot be connected to, with its address, unless err
// contains it already.
func (d *dials) explain(err error) error {
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var texts []string
	for _, address := range slices.Sorted(maps.Keys(d.failed)) {
		f := d.failed[address]
		if time.Since(f.at) > dialAge {
			continue
		}
		text := fmt.Sprintf("broker %s: %v", address, f.err)
		switch whole := err.Error(); {
		case strings.Contains(whole, address) && strings.Contains(whole, f.err.Error()):
		case len(texts) == maxShown:
			texts = append(texts, "and others")
		case len(texts) < maxShown:
			texts = append(texts, text)
		}
	}
	if texts == nil {
		return err
	}
	return fmt.Errorf("%w; last connection error: %s", err, strings.Join(texts, "; "))
}
