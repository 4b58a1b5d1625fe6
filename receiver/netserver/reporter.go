package netserver

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sluice-etl/sluice/receiver"
)

// logEvery is how often a line of one kind is logged; the next one says how many were left out.
const logEvery = 10 * time.Second

// Reporter is what a receiver logs and counts of what it does not take, lines of one kind throttled. What is counted was
// logged before, so that whoever sees the counter finds the line. It is safe for concurrent use.
type Reporter struct {
	log      *slog.Logger
	throttle *receiver.Throttle
	metrics  *receiver.Metrics
}

// NewReporter makes it for the receiver of that name; log may be nil.
func NewReporter(name string, log *slog.Logger, metrics *receiver.Metrics) *Reporter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reporter{log: log.With("component", name), throttle: receiver.NewThrottle(logEvery), metrics: metrics}
}

// Log is the receiver's logger, for what is said once.
func (s *Reporter) Log() *slog.Logger { return s.log }

// Ended says why a connection ended, where there is something to say.
func (s *Reporter) Ended(remote net.Addr, err error) {
	var rejected *receiver.RejectError
	switch {
	case errors.As(err, &rejected):
		s.Rejected(remote, rejected)
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.Rejected(remote, receiver.Reject(receiver.ReasonTruncated, "the connection ended in the middle of a request"))
	case quiet(err):
	default:
		s.log.Debug("Connection ended", "remote", remote.String(), "err", err)
	}
}

// Rejected says that a connection was closed, or not taken; err is or wraps a receiver.RejectError.
func (s *Reporter) Rejected(remote net.Addr, err error) {
	var why *receiver.RejectError
	if !errors.As(err, &why) {
		panic("BUG: refused without a reason: " + err.Error())
	}
	s.Warn(why.Reason, "Connection rejected", "remote", remote.String(), "reason", why.Reason, "err", why.Err)
	s.metrics.Rejected(why.Reason)
}

// Dropped says that nothing of a request was produced. reason is empty where the Appender dropped it.
func (s *Reporter) Dropped(remote net.Addr, reason string, events int, err error) {
	s.Warn("dropped", "Request dropped before anything was produced", "remote", remote.String(), "events", events, "err", err)
	s.metrics.Dropped()
	if reason != "" {
		s.metrics.Rejected(reason)
	}
}

// Unanswered says that Kafka may have a request's events, and that its sender got no answer.
func (s *Reporter) Unanswered(remote net.Addr, events int, err error) {
	s.Warn("unanswered", "No reply sent; the sender will resend the request", "remote", remote.String(), "events", events, "err", err)
	s.metrics.Unanswered(events)
}

// Lost says that events may not be in Kafka and that nobody will send them again.
func (s *Reporter) Lost(remote net.Addr, events int, err error) {
	s.Warn("lost", "Events may be lost; the sender cannot resend them", "remote", remote.String(), "events", events, "err", err)
	s.metrics.Lost(events)
}

// Warn logs a line, unless one of its kind was logged just before. Kinds must be few.
func (s *Reporter) Warn(kind, message string, args ...any) {
	if ok, more := s.throttle.Allow(kind, time.Now()); ok {
		if more > 0 {
			args = append(args, "more_like_it", more)
		}
		s.log.Warn(message, args...) //nolint:sloglint // every caller gives a constant
	}
}
