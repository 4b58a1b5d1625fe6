package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/grid"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
)

type offsetsCmd struct {
	Show offsetsShowCmd `cmd:"" help:"Show the checkpoints of a job and what became of its records."`
	Set  offsetsSetCmd  `cmd:"" help:"Move a checkpoint; a dry run unless --apply is given."`
}

// checkpointOptions select the job and the MySQL server that holds its checkpoints.
type checkpointOptions struct {
	Job          string `group:"query" common:"Name of the job and its consumer group." default:"${job}" placeholder:"NAME" help:"Name of the job (default ${job})."`
	MySQLOptions `embed:""`
}

// ledger returns access to the checkpoints, without dialing, and a function that closes the pool.
func (o *checkpointOptions) ledger(k *kong.Context) (*ledger.Ledger, func(), error) {
	cfg := mysqlout.DefaultConfig()
	cfg.Job = o.Job
	conns := o.MySQLOptions.config(kafkaio.DefaultConfig().RebalanceTimeout)
	if err := optionErrors(k, errors.Join(cfg.Validate(), conns.Validate())); err != nil {
		return nil, nil, err
	}
	p := pool.New(conns, slog.New(slog.DiscardHandler), nil)
	return ledger.New(cfg.Job, p), func() { _ = p.Close() }, nil // nothing is open any more
}

type offsetsShowCmd struct {
	checkpointOptions `embed:""`
	KafkaTopic        []string `group:"kafka" common:"Topic of the events." default:"logs" placeholder:"TOPIC" help:"Topic of the events, or several: a,b (default logs)."`
}

// Help shows an example.
func (offsetsShowCmd) Help() string {
	return "Connects only to MySQL.\n\nExamples:\n\n\tetl offsets show --job etl --mysql-dsn 'etl:secret@tcp(db:3306)/stats'"
}

// Run prints a line for each partition.
func (c *offsetsShowCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	book, done, err := c.ledger(k)
	if err != nil {
		return err
	}
	defer done()
	for _, topic := range c.KafkaTopic {
		offsets, err := book.Offsets(ctx, topic)
		if err != nil {
			return err
		}
		if len(offsets) == 0 {
			return fmt.Errorf("job %s has no checkpoint for topic %s", c.Job, topic)
		}
		if len(c.KafkaTopic) > 1 {
			fmt.Fprintf(s.Out, "topic %s\n", topic)
		}
		if err := showOffsets(s.Out, offsets); err != nil {
			return err
		}
	}
	return nil
}

// showOffsets writes a line for each partition of a topic.
func showOffsets(out io.Writer, offsets []ledger.Row) error {
	layout := grid.Layout{
		Columns: grid.Right("PARTITION", "FIRST", "NEXT", "COUNTED", "FILTERED", "DEAD", "GAPS", "DUPLICATES", "SKIPPED", "EPOCH", "AUDIT"),
		Indent:  "  ",
	}
	rows := make([][]string, len(offsets))
	for i, o := range offsets {
		a, audit := o.Audit, "balances"
		if !o.Balances() {
			audit = fmt.Sprintf("OFF BY %d", o.Len()-a.Total())
		}
		for _, n := range []int64{int64(o.ID), o.First, o.Next, a.Counted, a.Filtered, a.Dead, a.Gaps, a.Duplicates, a.Skipped, int64(o.Epoch)} {
			rows[i] = append(rows[i], strconv.FormatInt(n, 10))
		}
		rows[i] = append(rows[i], audit)
	}
	return layout.Write(out, rows)
}

type offsetsSetCmd struct {
	checkpointOptions `embed:""`
	KafkaOptions      `embed:""`
	Partition         int32         `group:"query" common:"Partition number." required:"" placeholder:"N" help:"Partition number."`
	Offset            int64         `group:"query" common:"Offset to read next." required:"" placeholder:"N" help:"Offset to read next."`
	Reason            string        `group:"query" common:"Reason, stored in etl_dead_letter." required:"" placeholder:"TEXT" help:"Reason for the move. It is stored permanently in etl_dead_letter."`
	NewTopic          bool          `group:"query" common:"Adopt a recreated topic." help:"The topic was recreated: adopt the topic ID that Kafka reports now, and start a new audit."`
	Apply             bool          `group:"query" common:"Apply the change." help:"Apply the change (default: print what would change)."`
	Timeout           time.Duration `group:"process" common:"Timeout for Kafka and MySQL." default:"15s" help:"Timeout for Kafka and MySQL."`
}

// Help shows examples.
func (offsetsSetCmd) Help() string {
	return `Moves the offset from which a partition is read next. Records that the move passes over are counted as skipped; records before the old offset are counted a second time. The epoch is raised, so that a running etl discards its batch and continues from the new offset by itself.

Examples:

	etl offsets set --partition 3 --offset 812345 --reason 'records 700000..812344 were lost with broker 2' --mysql-dsn 'etl:secret@tcp(db:3306)/stats'
	etl offsets set --partition 3 --offset 812345 --reason 'as above' --apply --mysql-dsn 'etl:secret@tcp(db:3306)/stats'`
}

// Run moves the checkpoint if --apply is given, and prints it before and after.
func (c *offsetsSetCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := requireOneTopic(c.KafkaTopic, "that of the partition"); err != nil {
		return err
	}
	change := ledger.CheckpointMove{
		Partition: checkpoint.Partition{Topic: strings.Join(c.KafkaTopic, ","), ID: c.Partition},
		Next:      c.Offset, Reason: c.Reason, DryRun: !c.Apply,
	}
	if change.Next < 0 || change.ID < 0 || change.Reason == "" {
		return usageError{fmt.Errorf("--partition is %d, --offset is %d, --reason is %q: must be numbers from 0, and a reason that is not empty", c.Partition, c.Offset, c.Reason)}
	}
	book, done, err := c.ledger(k)
	if err != nil {
		return err
	}
	defer done()
	if c.NewTopic {
		id, err := c.topicID(ctx, k)
		if err != nil {
			return err
		}
		change.TopicID = &id
	}
	was, is, err := book.MoveCheckpoint(ctx, change)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s was at %d, epoch %d, %d skipped\n", change.Partition, was.Next, was.Epoch, was.Audit.Skipped)
	if !c.Apply {
		fmt.Fprintf(s.Out, "%s would be at %d, epoch %d, %d skipped%s: nothing was changed; give --apply to change it\n",
			change.Partition, is.Next, is.Epoch, is.Audit.Skipped, consequence(was, is))
		return nil
	}
	fmt.Fprintf(s.Out, "%s is at %d, epoch %d, %d skipped%s\n", change.Partition, is.Next, is.Epoch, is.Audit.Skipped, consequence(was, is))
	return nil
}

// consequence describes what happens to the records between two checkpoints.
func consequence(was, is checkpoint.Checkpoint) string {
	switch n := is.Next - was.Next; {
	case is.TopicID != was.TopicID:
		return ", for the topic as it is now"
	case n > 0:
		return fmt.Sprintf(", %d records are skipped", n)
	case n < 0:
		return fmt.Sprintf(", %d records are read again, and counted a second time if they were counted", -n)
	}
	return ""
}

func (c *offsetsSetCmd) topicID(ctx context.Context, k *kong.Context) (checkpoint.TopicID, error) {
	cfg := c.KafkaOptions.config()
	if err := optionErrors(k, cfg.Validate()); err != nil {
		return checkpoint.TopicID{}, err
	}
	reports, err := kafkaio.Check(ctx, cfg, kafkaio.Use{}, nil)
	if err != nil {
		return checkpoint.TopicID{}, err
	}
	for _, r := range reports {
		if r.Name == cfg.Topic && !r.Missing {
			return r.ID, nil
		}
	}
	return checkpoint.TopicID{}, fmt.Errorf("topic %s does not exist in Kafka at %v", cfg.Topic, c.KafkaBrokers)
}
