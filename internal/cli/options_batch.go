package cli

import (
	"math"
	"runtime"
	"time"

	"github.com/sluice-etl/sluice/batch"
)

// BatchOptions control how records are batched and committed.
type BatchOptions struct {
	BatchInterval   time.Duration `group:"batches" default:"5s" help:"Time between commits."`
	Tasks           int           `group:"batches" default:"0" help:"Number of tasks. Each task loads its share of the partitions in transactions of its own; 0 is one per core."`
	MaxBatchRecords int64         `group:"batches" default:"1000000" help:"Records after which a task's batch is committed early."`
	MaxBatchBytes   Bytes         `group:"batches" default:"128MiB" help:"Bytes of records after which a task's batch is committed early."`
	Memory          Bytes         `group:"batches" default:"512MiB" help:"Memory limit for fetched records, groups and SQL text, over all tasks."`
	DeadLetterStop  Percent       `group:"batches" default:"50%" help:"Share of dead letters in a batch of 1,000 or more records above which its partitions stop, as long as no record has been counted since the start; 100% never stops them."`
	DeadLetterRate  int64         `group:"batches" default:"1000" help:"Dead letters stored per second, averaged over 10 seconds; above it, one stored dead letter represents several. 0 stores all."`
	Recheck         time.Duration `group:"batches" default:"30s" help:"Interval at which a stopped partition is claimed again and every partition is compared with its checkpoint."`
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

// clamp32 limits a size to 32 bits; Validate checks the result.
func clamp32(b Bytes) int32 { return int32(min(int64(b), math.MaxInt32)) }
