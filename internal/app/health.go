package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/kafkaio"
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

// reached is whether Kafka allows what the process does, and whether every broker that leads a partition of ours replies.
func reached(kafka *kafkaio.Monitor) status.Condition {
	return status.Condition{Name: "kafka", Func: func() (status.State, string) {
		down, degraded := kafka.State()
		switch {
		case down != "":
			return status.Down, down
		case degraded != "":
			return status.Degraded, degraded
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

// taking is whether MySQL takes what is loaded: at start as ready says, then as the engine hears from it.
func taking(ready *standing, health func() batch.Health) status.Condition {
	return status.Condition{Name: "mysql", Func: func() (status.State, string) {
		if s := ready.now.Load(); s.State != status.OK {
			return s.State, s.Reason
		}
		if err := health().Sink; err != nil {
			return status.Degraded, err.Error()
		}
		return status.OK, ""
	}}
}

// going is whether partitions have stopped. Restarting the process would not help, so it is never down for that.
func going(health func() batch.Health) status.Condition {
	return status.Condition{Name: "partitions", Func: func() (status.State, string) {
		stopped := health().Stopped
		if len(stopped) == 0 {
			return status.OK, ""
		}
		first := slices.MinFunc(slices.Collect(maps.Keys(stopped)), func(a, b checkpoint.Partition) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
		})
		why := strings.TrimPrefix(stopped[first].Error(), fmt.Sprintf("partition %v: ", first))
		return status.Degraded, fmt.Sprintf("%d stopped and wait for a person, the others go on; %v: %s", len(stopped), first, why)
	}}
}
