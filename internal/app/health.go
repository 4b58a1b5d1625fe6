package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/status"
)

// glance is how long a condition may look at something that can block.
const glance = 20 * time.Millisecond

// running is down from the moment at which the process was told to stop, so that no new work is sent here.
func running(ctx context.Context) status.Condition {
	return status.Condition{Name: "running", Func: func() (status.State, string) {
		if ctx.Err() != nil {
			return status.Down, "stopping"
		}
		return status.OK, ""
	}}
}

// producing is whether receivers can give events to Kafka.
func producing(ready func(context.Context) error) status.Condition {
	return status.Condition{Name: "receivers", Func: func() (status.State, string) {
		ctx, cancel := context.WithTimeout(context.Background(), glance)
		defer cancel()
		if ready(ctx) != nil {
			return status.Down, "Kafka has not answered since the start, or has not yet said what became of an unanswered request"
		}
		return status.OK, ""
	}}
}

// standing is a condition that somebody else sets.
type standing struct {
	now atomic.Pointer[status.Standing]
}

func newStanding(state status.State, reason string) *standing {
	s := &standing{}
	s.set(state, reason)
	return s
}

func (s *standing) set(state status.State, reason string) {
	s.now.Store(&status.Standing{State: state, Reason: reason})
}

func (s *standing) condition(name string) status.Condition {
	return status.Condition{Name: name, Func: func() (status.State, string) {
		now := s.now.Load()
		return now.State, now.Reason
	}}
}
