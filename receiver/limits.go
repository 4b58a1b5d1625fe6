package receiver

import (
	"errors"

	"github.com/sluice-etl/sluice/internal/option"
)

// Limits bound one request of a receiver, whatever its protocol. A request above MaxFrameBytes or MaxBatchEvents is
// rejected. An event above one of the other limits becomes a dead letter, and the rest of its request is not affected.
type Limits struct {
	// Receiver is the receiver's name in metrics and logs; errors name the limits by it.
	Receiver string
	// MaxFrameBytes bounds the bytes of a request. The default, 64 MiB, is 100,000 events of 640 bytes.
	MaxFrameBytes int
	// MaxBatchEvents bounds the events of a request. Flume sends 100 by default, and no more than its channel's
	// transactionCapacity, 10,000. The default is 100,000.
	MaxBatchEvents int
	// MaxHeaders bounds the headers of an event. The default is 256.
	MaxHeaders int
	// MaxHeaderBytes bounds the names and values of an event's headers together. The default is 64 KiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds an event's body. The default is 16 MiB, far above what Kafka takes (1 MiB by default).
	MaxBodyBytes int
	// KeepCompressed disables [Frame.Decompress]: compressed bodies stay as they arrived.
	KeepCompressed bool
}

// DefaultLimits returns the defaults for the receiver of that name.
func DefaultLimits(receiver string) Limits {
	return Limits{
		Receiver: receiver, MaxFrameBytes: 64 << 20, MaxBatchEvents: 100_000, MaxHeaders: 256, MaxHeaderBytes: 64 << 10,
		MaxBodyBytes: 16 << 20,
	}
}

// Validate returns an error that names every option out of its bounds.
func (l *Limits) Validate() error {
	return errors.Join(
		l.CheckRange("frame-bytes", l.MaxFrameBytes, 64, 1<<30),
		l.CheckRange("batch-events", l.MaxBatchEvents, 1, 1<<24),
		l.CheckRange("headers", l.MaxHeaders, 0, 1<<20),
		l.CheckRange("header-bytes", l.MaxHeaderBytes, 0, 1<<30),
		l.CheckRange("body-bytes", l.MaxBodyBytes, 0, 1<<30),
	)
}

// CheckRange returns an error that names the limit if its value is out of range.
func (l *Limits) CheckRange(name string, value, least, most int) error {
	return option.Range(l.option(name), value, least, most)
}

// option returns the name of the option that sets a limit.
func (l *Limits) option(name string) string { return option.Of(l.Receiver, "max-"+name) }

// CheckFrame rejects a request of more bytes than the limit. It is called before memory is taken for them.
func (l *Limits) CheckFrame(bytes int64) error {
	if bytes > int64(l.MaxFrameBytes) {
		return LimitExceeded(ReasonFrameBytes, "bytes in a frame", l.option("frame-bytes"), bytes, l.MaxFrameBytes)
	}
	return nil
}

// CheckEvents rejects a request of more events than the limit.
func (l *Limits) CheckEvents(events int) error {
	if events > l.MaxBatchEvents {
		return LimitExceeded(ReasonBatchEvents, "events in a batch", l.option("batch-events"), int64(events), l.MaxBatchEvents)
	}
	return nil
}

// Fits reports whether an event with these numbers of headers and bytes is within the limits of an event.
func (l *Limits) Fits(headers, headerBytes, bodyBytes int) bool {
	return headers <= l.MaxHeaders && headerBytes <= l.MaxHeaderBytes && bodyBytes <= l.MaxBodyBytes
}

// deadBytes is the memory of a Dead and its reason, rounded up.
const deadBytes = 256

// CheckEventSize returns the reason why an event with these numbers of headers and bytes becomes a dead letter, or nil
// for one within the limits. kept is how many of its headers were kept. The error is that of waiting for memory.
//
// An event above a limit does not close the connection, because its sender would then resend the whole batch endlessly
// (P24).
func (l *Limits) CheckEventSize(f *Frame, headers, kept, headerBytes, bodyBytes int) (*Dead, error) {
	if l.Fits(headers, headerBytes, bodyBytes) {
		return nil, nil
	}
	return l.tooLarge(f, headers, kept, headerBytes)
}

// tooLarge returns the reason why an event that does not fit becomes a dead letter. It is a function of its own so that
// CheckEventSize, which is called for each event, is small.
func (l *Limits) tooLarge(f *Frame, headers, kept, headerBytes int) (*Dead, error) {
	d := &Dead{Dropped: headers - kept}
	switch {
	case headers > l.MaxHeaders:
		d.Label, d.Reason = ReasonHeaders, "the event has more headers than "+option.Ref(l.option("headers"))
	case headerBytes > l.MaxHeaderBytes:
		d.Label, d.Reason = ReasonHeaderBytes, "the event's headers have more bytes than "+option.Ref(l.option("header-bytes"))
	default:
		d.Label, d.Reason = ReasonBodyBytes, "the event's body has more bytes than "+option.Ref(l.option("body-bytes"))
	}
	if err := f.Charge(deadBytes); err != nil {
		return nil, err
	}
	return d, nil
}
