package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// defaultLimit is Kafka's own default of max.message.bytes, taken where the topic's cannot be read.
const defaultLimit = 1048588

// limits are max.message.bytes of the data topic and of the dead-letter topic.
type limits struct {
	topic     string
	data, dlq int64
}

// batch is how large a produced batch may become, before compression. The client writes no request above 100 MiB.
func (l limits) batch(topic string) int32 {
	n := l.dlq
	if topic == l.topic {
		n = l.data
	}
	return int32(min(n, 99<<20))
}

// record is how large a batch of one record may be: the client refuses a record that is not below its limit.
func (l limits) record(topic string) int64 { return int64(l.batch(topic)) - 1 }

// redoQueue holds the batches with refused records. It has no bound of its own: what is in it is in the receivers'
// bytes in flight.
type redoQueue struct {
	mu      sync.Mutex
	batches []*Batch
	wake    chan struct{} // holds a token when there may be something
}

func (q *redoQueue) push(b *Batch) {
	q.mu.Lock()
	q.batches = append(q.batches, b)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *redoQueue) take() []*Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.batches
	q.batches = nil
	return b
}

// redoer produces refused records each alone, writes dead letters, and renews the clients when the limit has moved. It
// is one goroutine with a client of its own that never has more than one record of the data topic, so that what is refused
// is refused for itself. A record produced again may stand behind later ones of its partition.
type redoer struct {
	p      *Producer
	adm    *kadm.Client
	single *kgo.Client
	l      limits
	read   time.Time // when l was read

	logged   time.Time // when a dead letter was last logged
	unlogged int       // dead letters since
}

// open waits for Kafka and makes the shared client.
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
	err = retry(ctx, p.log, "The topic's limits cannot be read, trying again", &p.dials, func(ctx context.Context) error {
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
	// Receivers bound the bytes in flight; a bound on records here would block Produce without regard to its deadline.
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
			p.log.Error("Kafka lost records that it had acknowledged", "topic", topic, "partition", partition)
		}),
	)
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("make a kafka producer: %w", err)
	}
	return cl, nil
}

func (p *Producer) redoLoop(ctx context.Context, l limits) error {
	adm, err := newAdmin(p.cfg, p.log, &p.dials)
	if err != nil {
		return err
	}
	defer adm.Close()
	r := &redoer{p: p, adm: adm, l: l, read: time.Now()}
	if err := r.newSingle(); err != nil {
		return err
	}
	defer func() { r.single.Close() }()
	for {
		select {
		case <-p.redo.wake:
		case <-ctx.Done():
			for _, b := range p.redo.take() {
				b.err = ErrClosed
				p.finish(b)
			}
			return nil
		}
		for _, b := range p.redo.take() {
			r.batch(ctx, b)
			p.finish(b)
		}
	}
}

var errDeadlinePassed = errors.New("the request's time is over; what kafka had refused was not produced again")

// batch brings the last word on every refused record of b.
func (r *redoer) batch(ctx context.Context, b *Batch) {
	for _, f := range b.rejected {
		if errors.Is(f.err, kerr.MessageTooLarge) {
			r.refresh(ctx)
			break
		}
	}
	if b.err = r.overLimit(ctx, b); b.err != nil {
		return
	}
	for _, f := range b.rejected {
		if b.state.Load() == stateAbandoned {
			// Its sender sends it again: what is not in Kafka yet would be a copy (P23), and hold up those who wait.
			b.err = errDeadlinePassed
			return
		}
		dead, err := r.record(ctx, f.rec)
		if err != nil {
			b.err = err
			return
		}
		if dead {
			b.dead++
		}
	}
}

// record produces rec alone. Without an error it is acknowledged, or its dead letter is.
func (r *redoer) record(ctx context.Context, rec *kgo.Record) (dead bool, err error) {
	topic := r.p.cfg.Topic
	if batchBytes(rec) > r.l.record(topic) {
		r.refresh(ctx)
	}
	if size := batchBytes(rec); size > r.l.record(topic) {
		return true, r.dead(ctx, rec, "size", cause{"the record is larger than the topic takes (max.message.bytes)",
			fmt.Sprintf("the record takes %d bytes, topic %s takes less than %d", size, topic, r.l.data)})
	}
	r.p.met.single.Inc()
	err = r.send(ctx, rec)
	switch {
	case err == nil:
		return false, nil
	case isContentError(err):
		return true, r.dead(ctx, rec, "content", cause{"Kafka rejects the record: " + contentError(err).Message, err.Error()})
	}
	return false, fmt.Errorf("produce to %s: %w", topic, err)
}

// send waits for Kafka's final result of the records and returns the first error; only the end of the producer ends it
// early.
func (r *redoer) send(ctx context.Context, recs ...*kgo.Record) error {
	stop := context.AfterFunc(ctx, r.single.Close) // fails what it holds
	defer stop()
	err := r.single.ProduceSync(context.Background(), recs...).FirstErr()
	if IsDenied(err) && ctx.Err() == nil { // a client that was refused a producer ID fails every record from then on
		old := r.single
		if again := r.newSingle(); again != nil {
			r.p.log.Error("No new producer client for single records", "err", again)
			return err
		}
		old.Close()
	}
	return err
}

// refresh reads the limits again, at most once a second, and renews both clients where they have moved. The old shared
// client is closed after its last request.
func (r *redoer) refresh(ctx context.Context) {
	if time.Since(r.read) < time.Second {
		return
	}
	r.read = time.Now()
	l, err := r.p.readLimits(ctx, r.adm)
	if err != nil {
		r.p.log.Warn("The topic's limits cannot be read again", "err", err)
		return
	}
	if l == r.l {
		return
	}
	s, err := r.p.newShared(l)
	if err != nil {
		r.p.log.Error("No new producer client for the topic's new limit", "err", err)
		return
	}
	r.p.log.Info("The topic's max.message.bytes has changed", "was", r.l.data, "is", l.data, "dlq_was", r.l.dlq, "dlq_is", l.dlq)
	r.l = l
	if !r.p.setShared(s) {
		s.cl.Close()
		return
	}
	r.single.Close()
	if err := r.newSingle(); err != nil {
		r.p.log.Error("No new producer client for single records", "err", err)
	}
}

func (r *redoer) newSingle() (err error) {
	// A topic that stays unknown ends with an error here, so that one missing dead-letter topic does not hold up others.
	cl, err := r.p.newClient(r.l, kgo.MaxBufferedRecords(lettersAtOnce), kgo.ProducerLinger(0), kgo.UnknownTopicRetries(8))
	if err == nil {
		r.single = cl
	}
	return err
}
