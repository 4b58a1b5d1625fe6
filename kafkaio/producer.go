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

// Producer makes events safe in Kafka: acks=all, idempotent, through one client that all receivers share. Records are
// never cancelled, timed out or given up; what ends early is only the waiting for them. All methods are safe for
// concurrent use, except that Run is called once.
type Producer struct {
	cfg  Config
	log  *slog.Logger
	met  *produceMetrics
	gate gate
	pool sync.Pool // of *Batch
	redo redoQueue

	dials      dials
	denial     denial // of the data topic
	deadDenial denial // of the dead-letter topic

	clientsMade atomic.Int32 // how many shared clients were made

	opened chan struct{} // closed when shared is there

	mu       sync.Mutex // guards what follows
	shared   *sharedClient
	clients  map[*sharedClient]struct{} // shared, and older ones that still have requests
	closing  bool
	inFlight int           // requests whose records have no final word
	drained  chan struct{} // closed when closing and inFlight is 0
}

// sharedClient is a client and how many requests it still works for, so that an old one is closed after its last.
type sharedClient struct {
	cl     *kgo.Client
	limits limits
	users  sync.WaitGroup

	// A request that Kafka acknowledged sets worked. The others are guarded by the Producer's mu: from renewAt on a client
	// that may have been refused a producer ID is replaced by the request that sets renewing.
	worked   atomic.Bool
	renewAt  time.Time
	pause    time.Duration // between the making of the client and renewAt
	renewing bool
}

// NewProducer makes a Producer; Run brings it to life, and until then Produce and Ready wait.
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
		clients: make(map[*sharedClient]struct{}),
	}
	p.gate.gauge = p.met.unanswered
	p.redo.wake = make(chan struct{}, 1)
	p.pool.New = func() any { return &Batch{keyHeader: cfg.KeyHeader, done: make(chan struct{}, 1)} }
	return p, nil
}

// Run connects, trying until Kafka answers, and serves Produce until ctx ends. Then it takes nothing new, waits up to
// Config.ShutdownTimeout for the records that it was given, and closes. Whoever stops the receivers first loses
// nothing by it.
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
		p.log.Warn("Records were left without a word from Kafka; their senders got no answer", "after", p.cfg.ShutdownTimeout.String())
	}
	p.close()
	cancel()
	return g.Wait()
}

// drain stops taking requests and reports whether all that were taken got their last word in time.
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

// close ends the shared client: records without a final word fail now, and their bytes are let go of.
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
		close(p.opened) // so that nobody waits for what will not come
	}
	p.mu.Unlock()
	for _, s := range clients {
		s.cl.Close()
		s.users.Wait()
	}
}

// change makes s the client of all requests from now on; the one before is closed after its last request. It reports
// false where the producer has ended.
func (p *Producer) setShared(s *sharedClient) bool { return p.replaceShared(nil, s) }

// replace is change where the client is was, or was is nil.
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
		go func() { // ends with the old client's last request, or when Run's end closes the client
			old.users.Wait()
			old.cl.Close()
			p.mu.Lock()
			delete(p.clients, old)
			p.mu.Unlock()
		}()
	}
	return true
}

// NewBatch is an empty batch for about n records.
func (p *Producer) NewBatch(n int) *Batch {
	b := p.pool.Get().(*Batch)
	if cap(b.recs) < n {
		b.recs = make([]kgo.Record, 0, n)
		b.starts = make([]int32, 0, n+1)
		b.ptrs = make([]*kgo.Record, 0, n)
	}
	return b
}

// Ready blocks while nothing more may be read from senders, because a record of an unanswered request has no final
// word from Kafka yet (P23) or because Kafka has not been reached since the start; or until ctx ends.
func (p *Producer) Ready(ctx context.Context) error {
	select {
	case <-p.opened:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return p.gate.wait(ctx)
}

// Produce gives the batch's records to Kafka and returns nil when each is acknowledged or is a dead letter that is
// acknowledged. It waits until Ready, then drops the request where gone reports that its sender has gone, or where ctx
// has ended. ctx carries the request's deadline, counted from its first byte; where it has none, Config.AckTimeout is
// taken. When ctx ends later, the records stay with the client and may still be written; the error says so.
//
// The frame under the records belongs to the producer until it calls release, exactly once and from any goroutine,
// perhaps long after Produce returned (P29). b must not be touched after the call. gone and release may be nil.
func (p *Producer) Produce(ctx context.Context, b *Batch, gone func() bool, release func()) error {
	if _, ok := ctx.Deadline(); !ok {
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
	if gone != nil && gone() {
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
		// The gate closes before the batch is let go: else the last word could come in between and nobody would count.
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

// over says why ctx has ended. A process that was frozen looks at the clock itself: the timer that ends ctx may run later
// than we do.
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

// acquire is the shared client for one more request, or nil when the producer has ended.
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

// deliver waits for the last word on every record. It is one goroutine for each request, since the client cannot be
// asked to stop waiting; their number is bounded by the receivers' bytes in flight, and Run's end waits for all.
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
	defer s.users.Done() // after the batch is in the queue: Run's end waits for users, then empties the queue
	p.met.seconds.Observe(time.Since(begun).Seconds())
	if len(b.rejected)+len(b.overLimit) > 0 && b.err == nil {
		p.redo.push(b)
		return
	}
	p.finish(b)
}

// finish is called once for each batch, when every record has its final word.
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
			p.deadDenial.note("dead letters to topic "+p.cfg.dlq(), b.err)
		} else {
			p.denial.note("what is produced to topic "+p.cfg.Topic, b.err)
		}
		p.met.failed.WithLabelValues(reasonOf(b.err)).Inc()
	}
	b.release()
	if b.state.CompareAndSwap(statePending, stateDone) {
		b.done <- struct{}{} // from here on b is Produce's
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

// afterDenial has the right take effect that is granted next. A client that Kafka refused a producer ID fails every record
// from then on, and one that may not see a topic asks for it rarely. Of the requests that fail with a client one replaces
// it, and each new client serves twice as long as the one before until one has worked.
func (p *Producer) afterDenial(s *sharedClient, err error) {
	if !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		s.cl.ForceMetadataRefresh() // at most a few times a second
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
		p.log.Error("No new producer client after Kafka refused a producer ID", "err", err)
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

// renewAfter is how long a client serves at least that may have been refused a producer ID; it doubles up to maxRenewAfter
// while the right stays missing.
const (
	renewAfter    = 250 * time.Millisecond
	maxRenewAfter = 4 * time.Second
)

// reasonOf is the label of a request that Kafka did not take: the name that Kafka's protocol gives the error, or kafka.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Message
	}
	return "kafka"
}

// isContentError reports whether Kafka, or its client, refuses what is in a batch. Everything else, authorisation
// and unknown topics included, is no record's fault (P24).
func isContentError(err error) bool { return contentError(err) != nil }

// contentError is Kafka's error of err that a record's content causes, nil where there is none.
func contentError(err error) *kerr.Error {
	for _, e := range []*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage} {
		if errors.Is(err, e) {
			return e
		}
	}
	return nil
}
