package cli

import (
	"math"
	"runtime"
	"time"

	"github.com/sluice-etl/sluice/batch"
)

// BatchOptions say how records are taken together.
type BatchOptions struct {
	BatchInterval   time.Duration `group:"batches" default:"5s" help:"Time between commits."`
	Tasks           int           `group:"batches" default:"0" help:"Shares of the partitions, each with a transaction of its own; 0 is one for each core."`
	MaxBatchRecords int64         `group:"batches" default:"1000000" help:"Records after which a task's batch ends early."`
	MaxBatchBytes   Bytes         `group:"batches" default:"128MiB" help:"Bytes of records after which a task's batch ends early."`
	Memory          Bytes         `group:"batches" default:"512MiB" help:"Memory of fetched records, groups and SQL text, all tasks together."`
	DeadLetterStop  Percent       `group:"batches" default:"50%" help:"Share of dead records in a batch of 1,000 or more above which its partitions stop, while nothing was counted since the start; 100% is never."`
	DeadLetterRate  int64         `group:"batches" default:"1000" help:"Dead letters stored per second, on average over 10 seconds; above it one stands for several; 0 stores all."`
	Recheck         time.Duration `group:"batches" default:"30s" help:"Time after which a stopped partition is claimed again, and within which every partition is compared with its checkpoint."`
}

func (o BatchOptions) config(shutdown time.Duration) batch.Config {
	c := batch.DefaultConfig()
	c.Interval, c.Tasks = o.BatchInterval, o.Tasks
	if c.Tasks == 0 {
		c.Tasks = runtime.GOMAXPROCS(0)
	}
	c.MaxRecords, c.MaxBytes, c.Memory = o.MaxBatchRecords, int64(o.MaxBatchBytes), int64(o.Memory)
	c.DeadLetterStop, c.DeadLetterRate, c.Recheck = float64(o.DeadLetterStop), o.DeadLetterRate, o.Recheck
	c.ShutdownTimeout = shutdown
	return c
}

// clamp32 keeps a size that is too large for 32 bits at the largest, which Validate judges.
func clamp32(b Bytes) int32 { return int32(min(int64(b), math.MaxInt32)) }
