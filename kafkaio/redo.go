package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/obs"
)

// redoer produces rejected records one at a time, writes dead letters, and replaces the clients when a topic's limit
// has changed. It is one goroutine with a client of its own that never holds more than one record of the data topic, so
// that a rejection always concerns that record. A record that is produced again may end up behind later ones of its
// partition.
type redoer struct {
	p      *Producer
	adm    *kadm.Client
	single *kgo.Client
	l      limits
	read   time.Time // when l was read

	throttle *obs.Throttle // of the log line of dead letters
}

// redoLoop processes the queue until ctx is done. Batches that are left then fail with ErrClosed.
func (p *Producer) redoLoop(ctx context.Context, l limits) error {
	adm, err := newAdmin(p.cfg, p.log, &p.dials)
	if err != nil {
		return err
	}
	defer adm.Close()
	r := &redoer{p: p, adm: adm, l: l, read: time.Now(), throttle: obs.NewThrottle(time.Second)}
	if err := r.newSingle(); err != nil {
		return err
	}
	defer func() { r.single.Close() }()
	for {
		select {
		case <-p.redo.Ready():
		case <-ctx.Done():
			for _, b := range p.redo.Take() {
				b.err = ErrClosed
				p.finish(b)
			}
			return nil
		}
		for _, b := range p.redo.Take() {
			r.batch(ctx, b)
			p.finish(b)
		}
	}
}

var errDeadlinePassed = errors.New("the request's deadline has passed; the records that kafka had rejected were not produced again")

// batch produces every rejected record of b or writes its dead letter, and sets b.err and b.dead.
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
			// The sender sends the request again. Producing the rest now would create duplicates (P23) and delay requests
			// whose senders still wait.
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

// record produces rec alone. Without an error, rec is acknowledged, or its dead letter is.
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

// send waits until the records are acknowledged or failed and returns the first error. Only the end of ctx, when the
// producer closes, ends it early.
func (r *redoer) send(ctx context.Context, recs ...*kgo.Record) error {
	stop := context.AfterFunc(ctx, r.single.Close) // fails the records that it holds
	defer stop()
	err := r.single.ProduceSync(context.Background(), recs...).FirstErr()
	if IsDenied(err) && ctx.Err() == nil { // a client that was denied a producer ID fails every later record
		old := r.single
		if again := r.newSingle(); again != nil {
			r.p.log.Error("Cannot replace the producer client for single records", "err", again)
			return err
		}
		old.Close()
	}
	return err
}

// refresh reads the limits again, at most once a second, and replaces both clients if they have changed. The previous
// shared client is closed after its last request.
func (r *redoer) refresh(ctx context.Context) {
	if time.Since(r.read) < time.Second {
		return
	}
	r.read = time.Now()
	l, err := r.p.readLimits(ctx, r.adm)
	if err != nil {
		r.p.log.Warn("Cannot read the topic's limits again", "err", err)
		return
	}
	if l == r.l {
		return
	}
	s, err := r.p.newShared(l)
	if err != nil {
		r.p.log.Error("Cannot create a producer client for the topic's new limit", "err", err)
		return
	}
	r.p.log.Info("Topic's max.message.bytes changed", "was", r.l.data, "is", l.data, "dlq_was", r.l.dlq, "dlq_is", l.dlq)
	r.l = l
	if !r.p.setShared(s) {
		s.cl.Close()
		return
	}
	old := r.single
	if err := r.newSingle(); err != nil {
		r.p.log.Error("Cannot replace the producer client for single records", "err", err)
		return
	}
	old.Close()
}

// newSingle replaces r.single, and leaves it unchanged on an error. The caller closes the old one.
func (r *redoer) newSingle() (err error) {
	// With a limit on retries, a missing dead-letter topic fails its request and does not hold up others.
	cl, err := r.p.newClient(r.l, kgo.MaxBufferedRecords(lettersAtOnce), kgo.ProducerLinger(0), kgo.UnknownTopicRetries(8))
	if err == nil {
		r.single = cl
	}
	return err
}
