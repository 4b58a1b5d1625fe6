package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mailbox"
)

var (
	// ErrNotProduced is wrapped by every error that guarantees that no record of the request was handed to Kafka, so that
	// a retry cannot create a duplicate.
	ErrNotProduced = errors.New("nothing was produced")
	// ErrPeerClosed means that the sender closed its connection before its request was produced. It wraps ErrNotProduced.
	ErrPeerClosed = fmt.Errorf("the sender closed the connection; %w", ErrNotProduced)
	// ErrClosed means that the producer is closed.
	ErrClosed = errors.New("the producer is closed")
)

// Producer writes events to Kafka durably: acks=all, idempotent, through one client that all receivers share. Records
// are never cancelled and have no delivery timeout; only waiting for them can end early. All methods are safe for
// concurrent use, except that Run is called once.
//
// Every request that acquire admitted is finished exactly once, by finish, when each of its records is acknowledged, is
// a dead letter that is acknowledged, or has failed. The shared client in use may be replaced at any time; a request
// stays with the client that it started with.
type Producer struct {
	cfg  Config
	log  *slog.Logger
	met  *produceMetrics
	gate gate
	pool sync.Pool                // of *Batch
	redo *mailbox.Mailbox[*Batch] // batches with rejected records; the receivers' bytes in flight bound it

	dials      dials
	denial     denial // of the data topic
	deadDenial denial // of the dead-letter topic

	clientsMade atomic.Int32 // how many shared clients were made

	opened chan struct{} // closed when shared is set, and when the producer closes

	mu       sync.Mutex // guards the fields below
	shared   *sharedClient
	clients  map[*sharedClient]struct{} // shared, and older ones that still have requests
	closing  bool
	inFlight int           // requests whose records are not all acknowledged or failed
	drained  chan struct{} // closed when closing is set and inFlight is 0
}

// NewProducer returns a Producer that does nothing until Run: until then Produce and Ready wait.
func NewProducer(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Producer{
		cfg:     cfg,
		log:     orDiscard(log).With("component", "producer"),
		met:     newProduceMetrics(reg),
		opened:  make(chan struct{}),
		drained: make(chan struct{}),
		redo:    mailbox.New[*Batch](),
		clients: make(map[*sharedClient]struct{}),
	}
	p.gate.gauge = p.met.unanswered
	p.pool.New = func() any { return &Batch{keyHeader: cfg.KeyHeader, done: make(chan struct{}, 1)} }
	return p, nil
}

// Run connects, retrying until Kafka replies, and serves Produce until ctx is done. Then it accepts no new request,
// waits up to Config.ShutdownTimeout for the records in flight, and closes. If the receivers are stopped first, no
// request fails because of the shutdown.
func (p *Producer) Run(ctx context.Context) error {
	defer p.close()
	l, err := p.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { return p.redoLoop(hard, l) })

	<-ctx.Done()
	if !p.drain() {
		p.log.Warn("Producer closed with unacknowledged records; their senders got no reply", "after", p.cfg.ShutdownTimeout.String())
	}
	p.close()
	cancel()
	return g.Wait()
}

// drain stops accepting requests and reports whether all accepted ones were finished within Config.ShutdownTimeout.
func (p *Producer) drain() bool {
	p.mu.Lock()
	p.closing = true
	if p.inFlight == 0 {
		close(p.drained)
	}
	p.mu.Unlock()
	timer := time.NewTimer(p.cfg.ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-p.drained:
		return true
	case <-timer.C:
		return false
	}
}

// close closes all shared clients: records that are not acknowledged fail now, and their frames are released.
func (p *Producer) close() {
	p.mu.Lock()
	p.closing, p.shared = true, nil
	var clients []*sharedClient
	for s := range p.clients {
		clients = append(clients, s)
	}
	select {
	case <-p.opened:
	default:
		close(p.opened) // unblocks Ready, which would wait for a client that will never be made
	}
	p.mu.Unlock()
	for _, s := range clients {
		s.cl.Close()
		s.users.Wait()
	}
}

// NewBatch returns an empty batch with room for about n records.
func (p *Producer) NewBatch(n int) *Batch {
	b := p.pool.Get().(*Batch)
	if cap(b.recs) < n {
		b.recs = make([]kgo.Record, 0, n)
		b.starts = make([]int32, 0, n+1)
		b.ptrs = make([]*kgo.Record, 0, n)
	}
	return b
}

// Ready blocks while nothing more may be read from senders: until Kafka has been reached once, and while a record of an
// unanswered request is neither acknowledged nor failed (P23). It returns early with ctx's error.
func (p *Producer) Ready(ctx context.Context) error {
	select {
	case <-p.opened:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return p.gate.wait(ctx)
}

// Produce hands the batch's records to Kafka and returns nil when each record, or its dead letter, is acknowledged. It
// waits for Ready first, because the gate may have closed since the receiver last waited for it. Then it drops the
// request if peerClosed reports that the sender has closed its connection, or if ctx is done. ctx carries the
// request's deadline, counted from its first byte; without one, Config.AckTimeout is used unless b.Unlimited. If ctx
// ends later, the records stay with the client and may still be written; the error says so.
//
// The frame under the records belongs to the producer until it calls release, exactly once and from any goroutine,
// possibly long after Produce returned (P29). b must not be used after the call. peerClosed and release may be nil.
func (p *Producer) Produce(ctx context.Context, b *Batch, peerClosed func() bool, release func()) error {
	if _, ok := ctx.Deadline(); !ok && !b.Unlimited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.AckTimeout)
		defer cancel()
	}
	if release == nil {
		release = func() {}
	}
	b.release = release
	n := len(b.recs)
	if err := p.Ready(ctx); err != nil {
		return p.drop(b, "expired", p.dials.explain(fmt.Errorf("wait for kafka, %w: %w", ErrNotProduced, err)))
	}
	if peerClosed != nil && peerClosed() {
		return p.drop(b, "gone", ErrPeerClosed)
	}
	if err := deadlineError(ctx); err != nil {
		return p.drop(b, "expired", fmt.Errorf("%w: %w", ErrNotProduced, err))
	}
	if n == 0 {
		p.recycle(b, true)
		return nil
	}
	s := p.acquire()
	if s == nil {
		p.met.failed.WithLabelValues("closed").Inc()
		p.recycle(b, true)
		return fmt.Errorf("%w: %w", ErrClosed, ErrNotProduced)
	}
	b.prepare(p.cfg.Topic, s.limits.record(p.cfg.Topic))
	go p.awaitAcks(s, b, time.Now())
	failpoint.Hit(failpoint.Produced)

	select {
	case <-b.done:
	case <-ctx.Done():
		// Close the gate before giving the batch up: otherwise its records could be acknowledged in between, uncounted.
		p.gate.add(int64(n))
		if b.state.CompareAndSwap(statePending, stateAbandoned) {
			return p.dials.explain(fmt.Errorf("kafka has not acknowledged all of %d records in time, they may still be written: %w", n, context.Cause(ctx)))
		}
		p.gate.add(-int64(n))
		<-b.done
	}
	failpoint.Hit(failpoint.Acknowledged)
	err := b.err
	p.recycle(b, false)
	return err
}

// deadlineError returns why ctx is done, or nil. It compares the deadline with the clock itself, because in a process
// that was frozen the timer that ends ctx may fire only after this code runs.
func deadlineError(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}

func (p *Producer) drop(b *Batch, reason string, err error) error {
	p.met.dropped.WithLabelValues(reason).Inc()
	p.recycle(b, true)
	return err
}

// awaitAcks waits until every record is acknowledged or failed. It is one goroutine for each request, because the
// client offers no way to stop waiting. Their number is bounded by the receivers' bytes in flight, and close waits for
// all.
func (p *Producer) awaitAcks(s *sharedClient, b *Batch, begun time.Time) {
	if len(b.ptrs) > 0 {
		for _, r := range s.cl.ProduceSync(context.Background(), b.ptrs...) {
			switch {
			case r.Err == nil:
			case isContentError(r.Err):
				b.rejected = append(b.rejected, rejection{r.Record, r.Err})
			case b.err == nil:
				b.err = fmt.Errorf("produce to %s: %w", p.cfg.Topic, r.Err)
			}
		}
	}
	if IsDenied(b.err) {
		p.afterDenial(s, b.err)
	} else if b.err == nil && len(b.rejected) < len(b.ptrs) {
		s.worked.Store(true)
	}
	defer s.users.Done() // after the push: close waits for users, and redoLoop then empties the queue
	p.met.seconds.Observe(time.Since(begun).Seconds())
	if len(b.rejected)+len(b.overLimit) > 0 && b.err == nil {
		p.redo.Put(b)
		return
	}
	p.finish(b)
}

// finish completes a batch when every record is acknowledged, dead or failed. It is called once per batch.
func (p *Producer) finish(b *Batch) {
	n := len(b.recs)
	if b.err == nil {
		p.met.records.Add(float64(n - b.dead))
		p.met.bytes.Add(float64(b.bytes))
		if n > b.dead {
			p.denial.clear()
		}
		if b.dead > 0 {
			p.deadDenial.clear()
		}
	} else {
		if _, ok := errors.AsType[deadLetterError](b.err); ok {
			p.deadDenial.note("writing dead letters to topic "+p.cfg.dlq(), b.err)
		} else {
			p.denial.note("producing to topic "+p.cfg.Topic, b.err)
		}
		p.met.failed.WithLabelValues(reasonOf(b.err)).Inc()
	}
	b.release()
	if b.state.CompareAndSwap(statePending, stateDone) {
		b.done <- struct{}{} // b belongs to Produce again
	} else {
		p.gate.add(-int64(n))
		p.recycle(b, false)
	}
	p.mu.Lock()
	p.inFlight--
	if p.closing && p.inFlight == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
	p.mu.Unlock()
}

func (p *Producer) recycle(b *Batch, release bool) {
	if release {
		b.release()
	}
	b.reset()
	p.pool.Put(b)
}

// reasonOf returns the metric label of a failed request: the name of the error in Kafka's protocol, or "kafka".
func reasonOf(err error) string {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Message
	}
	return "kafka"
}

// isContentError reports whether Kafka, or its client, rejected a batch for its content. No other error, authorization
// and unknown topics included, is caused by a record (P24).
func isContentError(err error) bool { return contentError(err) != nil }

// contentError returns the error of Kafka in err that a record's content causes, or nil.
func contentError(err error) *kerr.Error {
	for _, e := range []*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage} {
		if errors.Is(err, e) {
			return e
		}
	}
	return nil
}
