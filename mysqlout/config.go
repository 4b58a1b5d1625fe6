package mysqlout

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
)

// Config is what a Sink must know about the job.
type Config struct {
	// Job names the checkpoint.
	Job string
	// Topic is the topic of this Sink, and Topics are all that the job reads, each by a Sink of its own: the query is the
	// same, but QueryHash and QueryText have the format of the topic. Both are empty if the job reads one.
	Topic  string
	Topics []string
	// QueryHash is the fingerprint of everything that gives rows their meaning (P2).
	QueryHash [32]byte
	// QueryText is what the fingerprint was computed from, one item to a line, for operators to compare.
	QueryText string
	// ContinueQuery allows a claim to take over checkpoints of another query.
	ContinueQuery bool
	// Adopt allows the job to start on a target that holds rows or belongs to another job.
	Adopt bool
	// Dedup means that event IDs are stored, in etl_dedup (P28).
	Dedup bool
	// Joined are the tables that the query joins. A start is refused if they are not as the query declares them.
	Joined []*lookup.Table
	// Replay means that the job is a replay, whose ranges are stored in etl_replay. Adopt and ContinueQuery are then false.
	Replay bool
	// Retain is how long the windows of targets are kept, by the full name of the target: a window that ended earlier is
	// deleted (P36). The other targets keep all windows.
	Retain map[string]time.Duration
	// CreateTables creates missing tables.
	CreateTables bool
	// EvolveTable adds aggregates that the query has and an existing table lacks.
	EvolveTable bool
	// DeadLetterMaxBytes is how many bytes of a dead letter's value are stored at most.
	DeadLetterMaxBytes int
	// StatementBytes is the approximate length of a statement that writes rows. 64 KiB is a little faster than 1 MiB:
	// the text stays in the CPU caches, and the next one is built while the server works.
	StatementBytes int
}

// DefaultConfig returns the defaults: tables are created, and 64 KiB of a dead letter are stored.
func DefaultConfig() Config {
	return Config{Job: "etl", CreateTables: true, DeadLetterMaxBytes: 64 << 10, StatementBytes: 64 << 10}
}

// Schema returns what the checks of the tables need to know of the job.
func (c Config) Schema() schema.Options {
	return schema.Options{Job: c.Job, Dedup: c.Dedup, Adopt: c.Adopt, Evolve: c.EvolveTable, Joined: c.Joined, Replay: c.Replay, Retain: c.Retain}
}

// Validate returns an error that names every option out of its bounds.
func (c Config) Validate() error {
	var errs []error
	if n := utf8.RuneCountInString(c.Job); n < 1 || n > sqltext.MaxJob || !utf8.ValidString(c.Job) {
		errs = append(errs, option.Error("job", c.Job, "must be 1 to %d characters of UTF-8", sqltext.MaxJob))
	}
	errs = append(errs, option.Range("dead-letter-max-bytes", c.DeadLetterMaxBytes, 0, 8<<20))
	if c.StatementBytes < 1<<10 || c.StatementBytes > 16<<20 {
		errs = append(errs, fmt.Errorf("statement bytes is %d, must be %d to %d", c.StatementBytes, 1<<10, 16<<20))
	}
	return errors.Join(errs...)
}
