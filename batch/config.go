package batch

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is the engine's configuration.
type Config struct {
	// Interval between the ticks at which batches are committed. From 10ms.
	Interval time.Duration
	// Tasks is how many tasks the process divides its partitions among. Each commits transactions of its own. From 1 to
	// 256.
	Tasks int
	// MaxRecords and MaxBytes (of fetched records) end a task's batch before its tick.
	MaxRecords int64
	MaxBytes   int64
	// Memory is how many bytes the fetched records, folded rows and SQL text of all tasks may occupy. Each task has up to
	// two batches in memory: the open one, and the closed one.
	Memory int64
	// DeadLetterStop is the share of dead records above which the partitions of a task's batch stop, from 0 to 1; 1
	// means never. It applies only to a batch with 1,000 records or more that were not filtered, and only while neither
	// this batch nor any that the process committed has a counted record: its purpose is to detect a wrong format or
	// query.
	DeadLetterStop float64
	// DeadLetterRate is how many dead letters per second the process stores, averaged over 10 seconds; 0 stores all.
	// Above it a stored one represents others too, see DeadLetter.Records.
	DeadLetterRate int64
	// ShutdownTimeout bounds how long a stop waits for batches to be committed.
	ShutdownTimeout time.Duration
	// Recheck is how long a stopped partition waits before it is claimed again, so that an operator's fix is noticed. It
	// is also the longest time between two comparisons of an owned partition with its checkpoint in MySQL (or Interval if
	// that is longer). Without it, a database that was restored to an older state would be noticed only with the
	// partition's next record.
	Recheck time.Duration
}

// DefaultConfig returns the engine's default configuration.
func DefaultConfig() Config {
	return Config{
		Interval:        5 * time.Second,
		Tasks:           runtime.GOMAXPROCS(0),
		MaxRecords:      1_000_000,
		MaxBytes:        128 << 20,
		Memory:          512 << 20,
		DeadLetterStop:  0.5,
		DeadLetterRate:  1000,
		ShutdownTimeout: 20 * time.Second,
		Recheck:         30 * time.Second,
	}
}

// Validate reports every option that is out of its bounds.
func (c Config) Validate() error {
	errs := []error{
		option.Least("batch-interval", c.Interval, 10*time.Millisecond),
		option.Range("tasks", c.Tasks, 1, 256),
		option.Least("max-batch-records", c.MaxRecords, 1),
		option.Least("max-batch-bytes", c.MaxBytes, 1<<10),
		option.Least("memory", c.Memory, 16<<20),
		option.Range("dead-letter-rate", c.DeadLetterRate, 0, 1e9),
		option.Least("shutdown-timeout", c.ShutdownTimeout, time.Nanosecond),
		option.Least("recheck", c.Recheck, time.Nanosecond),
	}
	if c.DeadLetterStop < 0 || c.DeadLetterStop > 1 {
		errs = append(errs, option.Error("dead-letter-stop", fmt.Sprintf("%g%%", c.DeadLetterStop*100), "must be from 0%% to 100%%"))
	}
	return errors.Join(errs...)
}
