package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/query"
)

type replayCmd struct {
	From string `group:"query" common:"Time to begin at, or earliest." required:"" placeholder:"TIME" help:"Where to begin: at the first record whose timestamp in Kafka is at or after a time such as 2026-01-31T00:00:00Z, or earliest."`
	To   string `group:"query" common:"Time to end at." placeholder:"TIME" help:"Where to end: before the first record whose timestamp in Kafka is at or after this time (default: with the last record when the replay begins)."`
	Into string `group:"query" common:"Table to count into." required:"" placeholder:"TABLE" help:"Table to count into, in place of that of the query. It is created, or must be empty."`
	Swap bool   `group:"query" common:"Swap the tables at the end." help:"At the end, rename the table of the query to TABLE__old and that of --into to its name, in one statement. The job runs on, and is held for a moment."`

	QueryOptions    `embed:""`
	TableOptions    `embed:""`
	MySQLOptions    `embed:""`
	KafkaOptions    `embed:""`
	FetchOptions    `embed:""`
	ValueOptions    `embed:""`
	BatchOptions    `embed:""`
	LookupOptions   `embed:""`
	RegistryOptions `embed:""`
	WindowOptions   `embed:""`
	ShutdownTimeout time.Duration `group:"process" default:"20s" help:"Grace period for a stop. A second signal ends the process at once."`
	LogOptions      `embed:""`
}

// Help shows examples.
func (replayCmd) Help() string {
	return `Counts the records of a stretch of time again, by the same or another query, into a table of its own, and ends. It takes the options and the configuration file of the running job, which it runs beside and whose rows and checkpoints it does not touch: it is a job of its own, named JOB.replay.TABLE. The log shows its progress. A replay that was stopped or killed resumes when the same command runs again, with the same offsets. Several processes may run it. With --swap, its table takes the place of the job's at the end, while the job runs.

Examples:

	etl replay --from 2026-11-28T00:00:00Z --to 2026-11-29T00:00:00Z --into hits_again --config /etc/etl.yaml
	etl replay --from earliest --into hits_by_country --query-file new.sql --config /etc/etl.yaml
	etl replay --from earliest --into hits_again --swap --config /etc/etl.yaml`
}

// Run runs the replay until it is finished.
func (c *replayCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, stretch, err := c.config()
	if err == nil {
		err = optionErrors(k, errors.Join(cfg.Validate(), stretch.Validate(time.Now())))
	}
	if err != nil {
		return err
	}
	log := c.Logger(s.Err)
	log.Info("Starting", "version", Version())
	if err := app.Replay(ctx, cfg, stretch, c.Swap, log); err != nil {
		return err
	}
	at := c.Into
	if c.Swap {
		live := cfg.Plan.Replaced()
		at = live.FullName()
	}
	fmt.Fprintf(s.Out, "replay %s is finished: its rows are in %s\n", app.ReplayJob(c.Job, c.Into), at)
	return nil
}

func (c *replayCmd) config() (cfg app.Config, stretch app.Stretch, err error) {
	if c.Swap && c.To != "" {
		return cfg, stretch, Usage("--swap is given with --to, must be without: the replay ends where the job is, so that no record is lost")
	}
	if strings.ToLower(c.From) != "earliest" {
		if stretch.From, err = timeOption("from", c.From); err != nil {
			return cfg, stretch, err
		}
	}
	if c.To != "" {
		if stretch.To, err = timeOption("to", c.To); err != nil {
			return cfg, stretch, err
		}
	}
	cfg = app.Config{Load: true, ShutdownTimeout: c.ShutdownTimeout, FlumeValues: c.flume(), Kafka: c.KafkaOptions.config()}
	cfg.Dedup = c.WindowOptions.config(c.DedupOptions)
	c.FetchOptions.apply(&cfg.Kafka)
	cfg.Kafka.ShutdownTimeout = cfg.ShutdownTimeout
	cfg.Batch = c.BatchOptions.config(cfg.ShutdownTimeout)
	cfg.Pool = c.MySQLOptions.config(c.KafkaRebalanceTimeout)
	cfg.Sink, cfg.Joined, cfg.Registry = c.TableOptions.config(), c.LookupOptions.config(), c.RegistryOptions.config()
	cfg.DeadLetterKeep = time.Duration(c.DeadLetterKeep)
	if err = requireOneTopic(c.KafkaTopic, "a replay has a range of offsets of one topic, and its table the rows of that topic alone"); err != nil {
		return cfg, stretch, err
	}
	cfg.Plan, err = c.plan(cfg.Kafka.Topic, "", query.Options{
		DeadLetterMaxBytes: int(c.DeadLetterMaxBytes), FlumeValues: cfg.FlumeValues, DedupHeader: cfg.Dedup.Header, Into: c.Into,
	})
	return cfg, stretch, err
}

// timeOption parses the time of an option. Kafka's timestamps are in milliseconds.
func timeOption(name, value string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || t.UnixMilli() < 0 || t.Nanosecond()%int(time.Millisecond) != 0 {
		err = errors.New("a time since 1970 like 2026-11-21T08:00:00Z or 2026-11-21T08:00:00.123Z")
		if name == "from" {
			err = fmt.Errorf("earliest or %w", err)
		}
		return t, Usage("--%s is %q, must be %w", name, value, err)
	}
	return t, nil
}
