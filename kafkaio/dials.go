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

// dials knows of each broker why the last attempt to connect to it failed. The client itself often reports only that a
// request took too long, and a produced record is retried without any error. It is a hook of one or more clients, and
// safe for concurrent use.
type dials struct {
	mu     sync.Mutex
	failed map[string]failedDial // by host:port; a connection that is made removes its entry
}

type failedDial struct {
	at  time.Time
	err error
}

var _ kgo.HookBrokerConnect = (*dials)(nil)

// A failed attempt is reported for dialAge: a client that needs a broker tries again long before. At most maxDials are
// kept and maxShown shown, because the addresses come from Kafka.
const (
	dialAge  = time.Minute
	maxDials = 100
	maxShown = 3
)

// abortedDial is the error of an attempt to connect that ended because its caller's context had ended. It looks like the
// time-out of a broker that does not reply, and tells nothing about the broker.
type abortedDial struct{ error }

func (a abortedDial) Unwrap() error { return a.error }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// markAborted returns dial with its errors marked as aborted where ctx has ended.
func markAborted(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil && ctx.Err() != nil {
			err = abortedDial{err}
		}
		return conn, err
	}
}

// OnBrokerConnect is called after each attempt, the TLS handshake and the authentication included. An attempt that was
// given up by its caller does not count against the broker.
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

// to is why the broker at the address cannot be connected to, or nil.
func (d *dials) to(address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.failed[address]; ok && time.Since(f.at) <= dialAge {
		return f.err
	}
	return nil
}

// explain adds the last connection error of each broker that cannot be connected to, with its address, unless err says it
// already.
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
		switch said := err.Error(); {
		case strings.Contains(said, address) && strings.Contains(said, f.err.Error()):
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
