package kafkaio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The headers that a dead letter gets in front of the event's own.
const (
	HeaderTopic   = "sluice.topic"           // the topic that it was meant for
	HeaderReason  = "sluice.reason"          // why it is not there
	HeaderLength  = "sluice.value.length"    // the value's full length in bytes, decimal
	HeaderHash    = "sluice.value.sha256"    // of the full value, hexadecimal
	HeaderDropped = "sluice.headers.dropped" // how many of the event's headers did not fit, decimal
)

// maxReason bounds the reason, so that it cannot be what does not fit.
const maxReason = 1 << 10

// dead writes rec to the dead-letter topic, cut to fit. Its error means that the event is nowhere, so that no OK may be
// sent.
func (r *redoer) dead(ctx context.Context, rec *kgo.Record, reason, text string) error {
	dlq := r.p.cfg.dlq()
	letter := deadLetter(rec, dlq, text, r.l.record(dlq))
	if err := r.send(ctx, letter); err != nil {
		return fmt.Errorf("%s; write it to %s: %w", text, dlq, err)
	}
	r.p.met.dead.WithLabelValues(reason).Inc()
	r.unlogged++
	if now := time.Now(); now.Sub(r.logged) >= time.Second {
		r.p.log.Warn("Kafka refuses events, they are kept as dead letters", "events", r.unlogged, "topic", dlq,
			"last_partition", letter.Partition, "last_offset", letter.Offset, "last_reason", text, "last_bytes", len(rec.Value))
		r.logged, r.unlogged = now, 0
	}
	return nil
}

// deadLetter is rec cut to a batch of at most limit bytes: first the event's headers go, from the first that does not
// fit in half of the room, then the value's end, then the key.
func deadLetter(rec *kgo.Record, topic, reason string, limit int64) *kgo.Record {
	sum := sha256.Sum256(rec.Value)
	letter := &kgo.Record{Topic: topic, Headers: []kgo.RecordHeader{
		{Key: HeaderTopic, Value: []byte(rec.Topic)},
		{Key: HeaderReason, Value: []byte(reason[:min(len(reason), maxReason)])},
		{Key: HeaderLength, Value: strconv.AppendInt(nil, int64(len(rec.Value)), 10)},
		{Key: HeaderHash, Value: []byte(hex.EncodeToString(sum[:]))},
		{Key: HeaderDropped, Value: []byte("0000000000")}, // room for the number
	}}
	own := len(letter.Headers)
	kept := 0
	for _, h := range rec.Headers {
		letter.Headers = append(letter.Headers, h)
		if batchBytes(letter) > limit/2 {
			letter.Headers = letter.Headers[:own+kept]
			break
		}
		kept++
	}
	letter.Headers[own-1].Value = strconv.AppendInt(nil, int64(len(rec.Headers)-kept), 10)
	const lengths = 8 // what the varints of key and value grow by
	if room := limit - batchBytes(letter) - lengths; int64(len(rec.Key)) <= room/2 {
		letter.Key = rec.Key
	}
	room := max(limit-batchBytes(letter)-lengths, 0)
	letter.Value = rec.Value[:min(int64(len(rec.Value)), room)]
	return letter
}
