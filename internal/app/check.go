package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// checker looks at everything that a start needs, and changes nothing. It says on out what it sees, a line to a thing.
type checker struct {
	cfg     Config
	out     io.Writer
	refused int // things that a start would refuse
	failed  int // servers that could not be asked
	denied  int // rights that Kafka does not give
	broken  int // ports, certificates and folders with which receiving would not work
}

// Check reaches every server, compares the tables with the query, and looks at the ports, certificates and folders of the
// receivers. It does not wait for a server that is away. The error, after everything was said, is a
// checkpoint.ErrRefused where a start would be refused.
func Check(ctx context.Context, cfg Config, out io.Writer) error {
	c := &checker{cfg: cfg, out: out}
	if cfg.Load {
		for _, t := range cfg.Plan.Tables() {
			c.say("ok", "query", "it writes %s, %d columns, %d of them the key", t.FullName(), len(t.Columns), t.Keys)
		}
	}
	c.receivers(ctx)
	topic, known := c.kafka(ctx)
	if cfg.Load {
		c.mysql(ctx, topic, known)
	}
	return c.verdict()
}

// verdict is the error that sums up the findings.
func (c *checker) verdict() error {
	var errs []error
	if c.refused > 0 {
		errs = append(errs, &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("a start would be refused, %s above", several(c.refused, "reason"))})
	}
	if c.denied > 0 {
		errs = append(errs, fmt.Errorf("Kafka does not allow what etl needs, %s above", several(c.denied, "right"))) //nolint:staticcheck // a name
	}
	if c.broken > 0 {
		errs = append(errs, fmt.Errorf("receiving would not work, %s above", several(c.broken, "reason")))
	}
	if c.failed > 0 {
		errs = append(errs, fmt.Errorf("%s could not be asked", several(c.failed, "server")))
	}
	return errors.Join(errs...)
}

func several(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func (c *checker) say(state, subject, format string, args ...any) {
	text := quote.Lines(fmt.Sprintf(format, args...))
	fmt.Fprintf(c.out, "%-8s %s: %s\n", state, quote.Text(subject), strings.ReplaceAll(text, "\n", "\n         "))
}

// kafka reports on the topics, and returns the one of the events; its ID is zero where it is not there. known is false
// where Kafka could not be asked.
func (c *checker) kafka(ctx context.Context) (topic batch.Topic, known bool) {
	topic = batch.Topic{Name: c.cfg.Kafka.Topic}
	subject := "kafka " + strings.Join(c.cfg.Kafka.Brokers, ",")
	if w := c.cfg.Kafka.TLS.Warning(); w != "" {
		c.say("warning", subject, "%s", w)
	}
	if err := kafkaio.Reachable(ctx, c.cfg.Kafka, nil); err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
		return topic, false
	}
	allowed, reached := c.rights(ctx, subject), c.leaders(ctx, subject)
	if !allowed || !reached { // what is asked for next would fail
		return topic, false
	}
	reports, err := kafkaio.Check(ctx, c.cfg.Kafka, c.cfg.use(), nil)
	if err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
		return topic, false
	}
	c.say("ok", subject, "it answers")
	for _, r := range reports {
		subject := "topic " + r.Name
		if r.Missing {
			c.say("note", subject, "it is missing, and is made at start with %d partitions", c.cfg.Kafka.Partitions)
			continue
		}
		if r.Name == topic.Name {
			topic.ID = r.ID
		}
		c.say("ok", subject, "%d partitions, %d replicas", r.Partitions, r.Replicas)
		for _, w := range r.Warnings {
			c.say("warning", subject, "%s", w)
		}
	}
	return topic, true
}

// rights looks whether Kafka allows what the process will do. It reports false where a right is missing or where Kafka
// does not reply.
func (c *checker) rights(ctx context.Context, subject string) bool {
	missing, err := kafkaio.MissingRights(ctx, c.cfg.Kafka, c.cfg.use())
	if err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
	}
	for _, m := range missing {
		c.denied++
		c.say("failed", subject, "Kafka does not allow %s; add this ACL for the user that etl logs in as", m)
	}
	return err == nil && len(missing) == 0
}

// leaders looks whether every broker that leads a partition of ours replies at the address that it advertises: one of
// --kafka-brokers may reply where these do not. It reports false where one does not.
func (c *checker) leaders(ctx context.Context, subject string) bool {
	lost, err := kafkaio.CheckLeaders(ctx, c.cfg.Kafka, c.cfg.use(), nil)
	if err != nil {
		lost = append(lost, err.Error())
	}
	for _, l := range lost {
		c.failed++
		c.say("failed", subject, "%s", l)
	}
	return len(lost) == 0
}

func (c *checker) mysql(ctx context.Context, topic batch.Topic, known bool) {
	conns := pool.New(c.cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // nothing is open any more
	cfg := c.cfg.Sink
	cfg.QueryHash, cfg.QueryText = c.cfg.Plan.Fingerprint()
	cfg.CreateTables, cfg.Dedup = false, c.cfg.Dedup.Enabled()
	sink := mysqlout.New(cfg, conns, nil, nil)
	findings, err := sink.Check(ctx, c.cfg.Plan.Tables())
	if err != nil {
		c.failed++
		c.say("failed", "mysql", "%v", err)
		return
	}
	if server, ok := conns.Server(); ok {
		c.say("ok", "mysql", "%s", server)
	}
	refused, missing := c.refused, map[string]bool{}
	for _, f := range findings {
		switch {
		case f.Warning:
			c.say("warning", f.Subject, "%s", said(f))
		case f.Missing() && c.cfg.Sink.CreateTables:
			missing[f.Subject] = true
			c.say("note", f.Subject, "it is missing, and is made at start")
		default:
			c.refuse(f.Subject, "%s", said(f))
		}
	}
	if c.refused == refused {
		c.tables(ctx, sink, topic, known, missing)
	}
}

// tables looks whether query and tables fit, and whether the job may start on them. A table that is missing will be as
// the query wants it. Where tables of our own are missing, the sink has looked already whether the job may begin.
func (c *checker) tables(ctx context.Context, sink *mysqlout.Sink, topic batch.Topic, known bool, missing map[string]bool) {
	want := c.cfg.Plan.Tables()
	there := slices.DeleteFunc(slices.Clone(want), func(t row.Table) bool { return missing[t.FullName()] })
	if len(want)-len(there) != len(missing) {
		return
	}
	found, err := sink.Prepare(ctx, there)
	if err == nil {
		actual := slices.Clone(want)
		for i := range actual {
			if j := slices.IndexFunc(found, func(t row.Table) bool { return t.FullName() == actual[i].FullName() }); j >= 0 {
				actual[i] = found[j]
			}
		}
		err = bind(c.cfg.Plan, actual)
	}
	if err == nil && known {
		err = c.mayStart(ctx, sink, topic)
	}
	switch {
	case err == nil:
		c.say("ok", "tables", "they fit the query")
		if known && len(missing) == 0 {
			c.group(ctx, sink)
		}
	case errors.Is(err, checkpoint.ErrRefused):
		c.refuse("tables", "%v", err)
	default:
		c.failed++
		c.say("failed", "mysql", "%v", err)
	}
}

// group looks whether processes that count into another database use the job's consumer group. It is not joined.
func (c *checker) group(ctx context.Context, sink *mysqlout.Sink) {
	subject := "group " + c.cfg.Sink.Job
	id, ok, err := sink.ReadIdentity(ctx)
	if err != nil {
		c.failed++
		c.say("failed", "mysql", "%v", err)
		return
	}
	own := kafkaio.Identity{ID: id, Address: c.cfg.Pool.Address()}
	members, err := kafkaio.CheckGroup(ctx, c.cfg.Kafka, c.cfg.Sink.Job, own, nil)
	switch {
	case errors.Is(err, checkpoint.ErrRefused):
		c.refuse(subject, "%v", err)
	case err != nil:
		c.failed++
		c.say("failed", subject, "%v", err)
	default:
		for _, m := range members {
			c.say("ok", subject, "a member counts into this database, which it reaches at %s", m)
		}
		if !ok {
			c.say("note", subject, "the database has no identity yet, and gets one at start")
		}
	}
}

func (c *checker) mayStart(ctx context.Context, sink *mysqlout.Sink, topic batch.Topic) error {
	if topic.ID == (checkpoint.TopicID{}) { // P26
		switch has, err := sink.HasCheckpoint(ctx, topic.Name); {
		case err != nil:
			return err
		case has:
			return &checkpoint.Error{Class: checkpoint.ErrRefused,
				Err:  fmt.Errorf("topic %s is missing, and job %s has counted records of it", topic.Name, c.cfg.Sink.Job),
				Hint: "is this the right Kafka? Else give the job another name, or make the topic and say etl offsets set --new-topic"}
		}
	}
	return sink.MayStart(ctx, topic)
}

func (c *checker) refuse(subject, format string, args ...any) {
	c.refused++
	c.say("refused", subject, format, args...)
}

func said(f mysqlout.Finding) string {
	if f.Do == "" {
		return f.Seen
	}
	return f.Seen + ": " + f.Do
}

// DDL prints every CREATE and GRANT that the job needs, for the server that answers, else for MySQL 8.
func DDL(ctx context.Context, cfg Config, out io.Writer) error {
	conns := pool.New(cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // nothing is open any more
	cfg.Sink.Dedup = cfg.Dedup.Enabled()
	sink := mysqlout.New(cfg.Sink, conns, nil, nil)
	if _, err := sink.Check(ctx, cfg.Plan.Tables()); err != nil {
		if _, ok := conns.Server(); !ok {
			fmt.Fprintf(out, "-- The server could not be asked, so the types are MySQL 8's: %s\n\n", quote.Text(strings.ReplaceAll(err.Error(), "\n", " ")))
		}
	}
	_, err := io.WriteString(out, quote.Lines(sink.DDL(cfg.Plan.Tables())))
	return err
}
