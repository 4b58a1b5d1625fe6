package netserver

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/receiver"
)

// logInterval is how often a line of one kind is logged at most; the next line has the number of dropped ones.
const logInterval = 10 * time.Second

// Reporter logs and counts what a receiver does not accept. Log lines of one kind are throttled. An event is logged
// before it is counted, so that the line exists once a counter shows it. It is safe for concurrent use.
type Reporter struct {
	log      *slog.Logger
	throttle *obs.Throttle
	metrics  *receiver.Metrics
}

// NewReporter returns the reporter of the receiver of that name; log may be nil.
func NewReporter(name string, log *slog.Logger, metrics *receiver.Metrics) *Reporter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reporter{log: log.With("component", name), throttle: obs.NewThrottle(logInterval), metrics: metrics}
}

// Log returns the receiver's logger, for lines that need no throttling.
func (r *Reporter) Log() *slog.Logger { return r.log }

// Ended logs why a connection ended, unless its end was ordinary, and counts rejections.
func (r *Reporter) Ended(remote net.Addr, err error) {
	var rejected *receiver.RejectError
	switch {
	case errors.As(err, &rejected):
		r.Rejected(remote, rejected)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.Rejected(remote, receiver.Reject(receiver.ReasonTruncated, "the connection ended in the middle of a request"))
	case isOrdinaryEnd(err):
	default:
		r.log.Debug("Connection ended", "remote", remote.String(), "err", err)
	}
}

// Rejected logs and counts a connection that was closed or not accepted; err is or wraps a receiver.RejectError.
func (r *Reporter) Rejected(remote net.Addr, err error) {
	var why *receiver.RejectError
	if !errors.As(err, &why) {
		panic("BUG: rejected without a reason: " + err.Error())
	}
	r.Warn(why.Reason, "Connection rejected", "remote", remote.String(), "reason", why.Reason, "err", why.Err)
	r.metrics.Rejected(why.Reason)
}

// Dropped logs and counts a request of which nothing was produced. reason is empty if the Appender dropped it.
func (r *Reporter) Dropped(remote net.Addr, reason string, events int, err error) {
	r.Warn("dropped", "Request dropped before anything was produced", "remote", remote.String(), "events", events, "err", err)
	r.metrics.Dropped()
	if reason != "" {
		r.metrics.Rejected(reason)
	}
}

// Unanswered logs and counts a request whose events Kafka may have and whose sender got no reply.
func (r *Reporter) Unanswered(remote net.Addr, events int, err error) {
	r.Warn("unanswered", "No reply sent; the sender will resend the request", "remote", remote.String(), "events", events, "err", err)
	r.metrics.Unanswered(events)
}

// Lost logs and counts events that may not be in Kafka and that no sender will resend.
func (r *Reporter) Lost(remote net.Addr, events int, err error) {
	r.Warn("lost", "Events may be lost; the sender cannot resend them", "remote", remote.String(), "events", events, "err", err)
	r.metrics.Lost(events)
}

// Warn logs a line, unless one of its kind was logged within the interval. The caller must bound the number of kinds.
func (r *Reporter) Warn(kind, message string, args ...any) {
	if ok, more := r.throttle.Allow(kind, time.Now()); ok {
		if more > 0 {
			args = append(args, "more_like_it", more)
		}
		r.log.Warn(message, args...) //nolint:sloglint // every caller gives a constant
	}
}
