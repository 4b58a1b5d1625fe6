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

// probeTimeout limits how long a condition waits for a component.
const probeTimeout = 20 * time.Millisecond

// running returns a condition that is down as soon as the process is stopping, so that a load balancer sends no new
// work.
func running(ctx context.Context) status.Condition {
	return status.Condition{Name: "running", Func: func() (status.State, string) {
		if ctx.Err() != nil {
			return status.Down, "stopping"
		}
		return status.OK, ""
	}}
}

// producing returns a condition that is down while receivers cannot produce to Kafka.
func producing(ready func(context.Context) error) status.Condition {
	return status.Condition{Name: "receivers", Func: func() (status.State, string) {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		if ready(ctx) != nil {
			return status.Down, "Kafka has not replied since the start, or the outcome of an unacknowledged request is not known yet"
		}
		return status.OK, ""
	}}
}

// reached reports missing permissions in Kafka, and partition leaders that do not reply.
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

// health is a state that one goroutine sets and others read.
type health struct {
	now atomic.Pointer[status.Health]
}

func newHealth(state status.State, reason string) *health {
	s := &health{}
	s.set(state, reason)
	return s
}

func (s *health) set(state status.State, reason string) {
	s.now.Store(&status.Health{State: state, Reason: reason})
}

// mysqlCondition reports whether MySQL accepts commits: ready before the engine runs, then the engine's last result.
func mysqlCondition(ready *health, engine func() batch.Health) status.Condition {
	return status.Condition{Name: "mysql", Func: func() (status.State, string) {
		if s := ready.now.Load(); s.State != status.OK {
			return s.State, s.Reason
		}
		if err := engine().Sink; err != nil {
			return status.Degraded, err.Error()
		}
		return status.OK, ""
	}}
}

// partitionsCondition returns a condition that is degraded if partitions have stopped. It is never down, because a
// restart would not help.
func partitionsCondition(engine func() batch.Health) status.Condition {
	return status.Condition{Name: "partitions", Func: func() (status.State, string) {
		stopped := engine().Stopped
		if len(stopped) == 0 {
			return status.OK, ""
		}
		first := slices.MinFunc(slices.Collect(maps.Keys(stopped)), func(a, b checkpoint.Partition) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
		})
		why := strings.TrimPrefix(stopped[first].Error(), fmt.Sprintf("partition %v: ", first))
		return status.Degraded, fmt.Sprintf("%d stopped until an operator acts, the others continue; %v: %s", len(stopped), first, why)
	}}
}
