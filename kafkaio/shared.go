package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sharedClient is a client that all requests share, with the number of requests that still use it: a replaced client is
// closed after its last request.
type sharedClient struct {
	cl     *kgo.Client
	limits limits
	users  sync.WaitGroup

	// worked is set by a request that Kafka acknowledged. The Producer's mu guards the other fields: from renewAt on, a
	// client that may have been denied a producer ID is replaced by the one request that sets renewing.
	worked   atomic.Bool
	renewAt  time.Time
	pause    time.Duration // from the client's creation to renewAt
	renewing bool
}

// renewAfter is how long a client that may have been denied a producer ID is used before it is replaced. It doubles up
// to maxRenewAfter while the right is missing.
const (
	renewAfter    = 250 * time.Millisecond
	maxRenewAfter = 4 * time.Second
)

// defaultLimit is Kafka's default of max.message.bytes, used if the topic's setting cannot be read.
const defaultLimit = 1048588

// limits are max.message.bytes of the data topic and of the dead-letter topic.
type limits struct {
	topic     string
	data, dlq int64
}

// batch returns the maximum size of a produced batch in bytes, before compression. The client writes no request above
// 100 MiB.
func (l limits) batch(topic string) int32 {
	n := l.dlq
	if topic == l.topic {
		n = l.data
	}
	return int32(min(n, 99<<20))
}

// record returns the maximum size of a batch of one record, because the client rejects a record that is not below its
// limit.
func (l limits) record(topic string) int64 { return int64(l.batch(topic)) - 1 }

// open waits for Kafka, reads the topics' limits and makes the shared client.
func (p *Producer) open(ctx context.Context) (limits, error) {
	var l limits
	if err := waitReachable(ctx, p.cfg, p.log); err != nil {
		return l, err
	}
	adm, err := newAdmin(p.cfg, p.log, &p.dials)
	if err != nil {
		return l, err
	}
	defer adm.Close()
	err = retry(ctx, p.log, "Cannot read the topic's limits; retrying", &p.dials, func(ctx context.Context) error {
		l, err = p.readLimits(ctx, adm)
		return err
	})
	if err != nil {
		return l, err
	}
	s, err := p.newShared(l)
	if err != nil {
		return l, err
	}
	p.setShared(s)
	close(p.opened)
	return l, nil
}

func (p *Producer) readLimits(ctx context.Context, adm *kadm.Client) (limits, error) {
	l := limits{topic: p.cfg.Topic}
	for _, t := range []struct {
		name string
		to   *int64
	}{{p.cfg.Topic, &l.data}, {p.cfg.dlq(), &l.dlq}} {
		r, err := describe(ctx, adm, t.name)
		if err != nil {
			return l, err
		}
		if r.Missing && t.name == p.cfg.Topic {
			return l, fmt.Errorf("topic %s does not exist", t.name)
		}
		*t.to = r.MaxMessageBytes
		if r.MaxMessageBytes <= 0 {
			*t.to = defaultLimit
		}
	}
	return l, nil
}

func (p *Producer) newShared(l limits) (*sharedClient, error) {
	// Receivers bound the bytes in flight; a limit on records here would block Produce past its deadline.
	cl, err := p.newClient(l, kgo.MaxBufferedRecords(math.MaxInt32), kgo.ProducerLinger(p.cfg.ProduceLinger), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return nil, err
	}
	p.met.limit.Set(float64(l.data))
	p.clientsMade.Add(1)
	return &sharedClient{cl: cl, limits: l, renewAt: time.Now().Add(renewAfter), pause: renewAfter}, nil
}

func (p *Producer) newClient(l limits, opts ...kgo.Opt) (*kgo.Client, error) {
	all := append(p.cfg.options(p.log, &p.dials),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytesFn(l.batch),
		kgo.ProducerOnDataLossDetected(func(topic string, partition int32) {
			p.met.dataLoss.Inc()
			p.log.Error("Kafka lost acknowledged records", "topic", topic, "partition", partition)
		}),
	)
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("create a kafka producer: %w", err)
	}
	return cl, nil
}

// acquire returns the shared client for one more request, or nil if the producer is closing.
func (p *Producer) acquire() *sharedClient {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing || p.shared == nil {
		return nil
	}
	p.inFlight++
	p.shared.users.Add(1)
	return p.shared
}

// setShared makes s the client of all later requests; the previous one is closed after its last request. It reports
// false if the producer is closing.
func (p *Producer) setShared(s *sharedClient) bool { return p.replaceShared(nil, s) }

// replaceShared is setShared, but does nothing and returns false if was is not nil and is not the client in use.
func (p *Producer) replaceShared(was, s *sharedClient) bool {
	p.mu.Lock()
	old := p.shared
	if p.closing || was != nil && was != old {
		p.mu.Unlock()
		return false
	}
	p.shared = s
	p.clients[s] = struct{}{}
	p.mu.Unlock()
	if old != nil {
		go func() { // ends with the old client's last request, or when close closes the client
			old.users.Wait()
			old.cl.Close()
			p.mu.Lock()
			delete(p.clients, old)
			p.mu.Unlock()
		}()
	}
	return true
}

// afterDenial makes a right that is granted later take effect. A client that was denied a producer ID fails every later
// record, and one that may not see a topic asks for it rarely. Of the requests that fail with one client, exactly one
// replaces it, and each new client is used twice as long as the one before until one has worked.
func (p *Producer) afterDenial(s *sharedClient, err error) {
	if !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		s.cl.ForceMetadataRefresh() // the client limits this to a few times a second
		return
	}
	p.mu.Lock()
	mine := p.shared == s && !p.closing && !s.renewing && !time.Now().Before(s.renewAt)
	s.renewing = s.renewing || mine
	p.mu.Unlock()
	if !mine {
		return
	}
	fresh, err := p.newShared(s.limits)
	if err != nil {
		p.log.Error("Cannot replace the producer client that was denied a producer ID", "err", err)
		p.mu.Lock()
		s.renewing, s.renewAt = false, time.Now().Add(s.pause)
		p.mu.Unlock()
		return
	}
	if !s.worked.Load() {
		fresh.pause = min(2*s.pause, maxRenewAfter)
		fresh.renewAt = time.Now().Add(fresh.pause)
	}
	if !p.replaceShared(s, fresh) {
		fresh.cl.Close()
	}
}
