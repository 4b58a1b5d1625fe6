package kafkaio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The headers of a dead letter, before the event's own.
const (
	HeaderTopic   = "sluice.topic"           // the topic that the record was meant for
	HeaderReason  = "sluice.reason"          // why it is not there; constant for each kind of failure
	HeaderDetail  = "sluice.detail"          // details of this record; absent if there are none
	HeaderLength  = "sluice.value.length"    // the value's full length in bytes, decimal
	HeaderHash    = "sluice.value.sha256"    // of the full value, hexadecimal
	HeaderDropped = "sluice.headers.dropped" // how many of the event's headers did not fit, decimal
)

// maxReason bounds the reason and the detail, each in bytes, so that they always fit into the record.
const maxReason = 1 << 10

// cause is why a record is a dead letter.
type cause struct{ reason, detail string }

// deadLetterError is why dead letters could not be written. It does not affect other events.
type deadLetterError struct{ error }

func (e deadLetterError) Unwrap() error { return e.error }

// dead writes rec to the dead-letter topic, truncated to fit. label is the value of the metric's label. An error means
// that the event is in neither topic, so the sender must not get an OK.
func (r *redoer) dead(ctx context.Context, rec *kgo.Record, label string, why cause) error {
	dlq := r.p.cfg.dlq()
	letter := deadLetter(rec, dlq, why, 0, r.l.record(dlq))
	if err := r.send(ctx, letter); err != nil {
		return deadLetterError{fmt.Errorf("%s (%s); write the dead letter to %s: %w", why.reason, why.detail, dlq, err)}
	}
	r.p.met.dead.WithLabelValues(label).Inc()
	r.logDead(letter, why.reason, len(rec.Value))
	return nil
}

// logDead logs that a dead letter was written, at most once a second.
func (r *redoer) logDead(letter *kgo.Record, text string, size int) {
	if ok, dropped := r.throttle.Allow("", time.Now()); ok {
		r.p.log.Warn("Dead letters written", "events", dropped+1, "topic", letter.Topic,
			"last_partition", letter.Partition, "last_offset", letter.Offset, "last_reason", text, "last_bytes", size)
	}
}

// lettersAtOnce is how many dead letters of a request are written at once. A request may consist of nothing else, and
// writing them one after another would take longer than ack-timeout.
const lettersAtOnce = 500

// overLimit writes the dead letters of the records that exceed a limit of their receiver. An error means that some of
// them may be in neither topic, so the sender must not get an OK.
func (r *redoer) overLimit(ctx context.Context, b *Batch) error {
	dlq := r.p.cfg.dlq()
	letters := make([]*kgo.Record, 0, min(len(b.overLimit), lettersAtOnce))
	for some := range slices.Chunk(b.overLimit, lettersAtOnce) {
		if b.state.Load() == stateAbandoned {
			return errDeadlinePassed
		}
		letters = letters[:0]
		for _, d := range some {
			letters = append(letters, deadLetter(&b.recs[d.at], dlq, cause{reason: d.reason}, d.dropped, r.l.record(dlq)))
		}
		if err := r.send(ctx, letters...); err != nil {
			return deadLetterError{fmt.Errorf("write dead letters of events that exceed a limit to %s: %w", dlq, err)}
		}
		for i, d := range some {
			b.dead++
			r.p.met.dead.WithLabelValues(d.label).Inc()
			r.logDead(letters[i], d.reason, len(b.recs[d.at].Value))
		}
	}
	return nil
}

// deadLetter returns rec truncated to a batch of at most limit bytes. The event's headers get at most half of the room:
// they are dropped from the first that does not fit. The key is dropped if it takes more than half of what is left, and
// the value is cut to the rest. dropped is how many headers rec has lost already.
func deadLetter(rec *kgo.Record, topic string, why cause, dropped int, limit int64) *kgo.Record {
	sum := sha256.Sum256(rec.Value)
	letter := &kgo.Record{Topic: topic, Headers: []kgo.RecordHeader{
		{Key: HeaderTopic, Value: []byte(rec.Topic)},
		{Key: HeaderReason, Value: []byte(why.reason[:min(len(why.reason), maxReason)])},
		{Key: HeaderLength, Value: strconv.AppendInt(nil, int64(len(rec.Value)), 10)},
		{Key: HeaderHash, Value: []byte(hex.EncodeToString(sum[:]))},
		{Key: HeaderDropped, Value: []byte("0000000000")}, // room for the number
	}}
	dropping := len(letter.Headers) - 1
	if detail := why.detail[:min(int64(len(why.detail)), maxReason, limit/8)]; detail != "" {
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: HeaderDetail, Value: []byte(detail)})
	}
	kept, size := 0, batchBytes(letter)+5 // the number of headers takes up to 5 bytes more
	for _, h := range rec.Headers {
		size += int64(varint(len(h.Key)) + len(h.Key) + varint(len(h.Value)) + len(h.Value))
		if size > limit/2 {
			break
		}
		letter.Headers = append(letter.Headers, h)
		kept++
	}
	letter.Headers[dropping].Value = strconv.AppendInt(nil, int64(len(rec.Headers)-kept+dropped), 10)
	const lengths = 8 // how much the varints of key and value can grow
	if room := limit - batchBytes(letter) - lengths; int64(len(rec.Key)) <= room/2 {
		letter.Key = rec.Key
	}
	room := max(limit-batchBytes(letter)-lengths, 0)
	letter.Value = rec.Value[:min(int64(len(rec.Value)), room)]
	return letter
}
