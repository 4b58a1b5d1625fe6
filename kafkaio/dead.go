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

// The headers that a dead letter gets in front of the event's own.
const (
	HeaderTopic   = "sluice.topic"           // the topic that it was meant for
	HeaderReason  = "sluice.reason"          // why it is not there, the same for all events that fail alike
	HeaderDetail  = "sluice.detail"          // what is particular; only where there is something
	HeaderLength  = "sluice.value.length"    // the value's full length in bytes, decimal
	HeaderHash    = "sluice.value.sha256"    // of the full value, hexadecimal
	HeaderDropped = "sluice.headers.dropped" // how many of the event's headers did not fit, decimal
)

// maxReason bounds the reason and the detail, each, so that they cannot be what does not fit.
const maxReason = 1 << 10

// cause is why a record is a dead letter.
type cause struct{ reason, detail string }

// deadLetterError is why dead letters could not be written. Other events are not concerned by it.
type deadLetterError struct{ error }

func (e deadLetterError) Unwrap() error { return e.error }

// dead writes rec to the dead-letter topic, cut to fit. label is the value of the metric's label. Its error means that
// the event is nowhere, so that no OK may be sent.
func (r *redoer) dead(ctx context.Context, rec *kgo.Record, label string, why cause) error {
	dlq := r.p.cfg.dlq()
	letter := deadLetter(rec, dlq, why, 0, r.l.record(dlq))
	if err := r.send(ctx, letter); err != nil {
		return deadLetterError{fmt.Errorf("%s (%s); write it to %s: %w", why.reason, why.detail, dlq, err)}
	}
	r.p.met.dead.WithLabelValues(label).Inc()
	r.logDead(letter, why.reason, len(rec.Value))
	return nil
}

// logDead logs that a dead letter was written, at most once a second.
func (r *redoer) logDead(letter *kgo.Record, text string, size int) {
	r.unlogged++
	if now := time.Now(); now.Sub(r.logged) >= time.Second {
		r.p.log.Warn("Events are kept as dead letters", "events", r.unlogged, "topic", letter.Topic,
			"last_partition", letter.Partition, "last_offset", letter.Offset, "last_reason", text, "last_bytes", size)
		r.logged, r.unlogged = now, 0
	}
}

// lettersAtOnce is how many dead letters of a request are written at once. A request may consist of nothing else, and
// one after the other they would take longer than ack-timeout.
const lettersAtOnce = 500

// overLimit writes the dead letters of the records that their receiver found to exceed a limit. An error means that some of
// them may be nowhere, so that no OK may be sent.
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
			return deadLetterError{fmt.Errorf("write events that exceed a limit to %s: %w", dlq, err)}
		}
		for i, d := range some {
			b.dead++
			r.p.met.dead.WithLabelValues(d.label).Inc()
			r.logDead(letters[i], d.reason, len(b.recs[d.at].Value))
		}
	}
	return nil
}

// deadLetter is rec cut to a batch of at most limit bytes: first the event's headers go, from the first that does not
// fit in half of the room, then the value's end, then the key. dropped is how many headers rec does not have any more.
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
	const lengths = 8 // what the varints of key and value grow by
	if room := limit - batchBytes(letter) - lengths; int64(len(rec.Key)) <= room/2 {
		letter.Key = rec.Key
	}
	room := max(limit-batchBytes(letter)-lengths, 0)
	letter.Value = rec.Value[:min(int64(len(rec.Value)), room)]
	return letter
}
