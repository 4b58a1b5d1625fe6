package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/registry"
	"github.com/sluice-etl/sluice/row"
)

// checker checks everything that a start needs, and changes nothing. It writes a line to out for each finding.
type checker struct {
	cfg     Config
	out     io.Writer
	refused int             // reasons to refuse a start
	failed  int             // servers that could not be reached
	denied  int             // missing permissions in Kafka
	broken  int             // unusable ports, certificates and directories of receivers
	told    map[string]bool // what was written about Kafka, because topics have findings in common
}

// counted is a topic that the process loads. known is false if Kafka could not be asked.
type counted struct {
	cfg   Config // with the plan of the topic
	topic batch.Topic
	known bool
}

// Check connects to every server, compares the tables with the query, and checks the ports, certificates and directories
// of the receivers. It does not wait for an unreachable server. After all findings are written to out it returns an error
// that sums them up, which wraps checkpoint.ErrRefused if a start would be refused.
func Check(ctx context.Context, cfg Config, out io.Writer) error {
	c := &checker{cfg: cfg, out: out, told: map[string]bool{}}
	if cfg.Load {
		for _, t := range cfg.Plan.Tables() {
			c.say("ok", "query", "writes to %s, %d columns, %d of them in the key", t.FullName(), len(t.Columns), t.Keys)
		}
	}
	c.receivers(ctx)
	topics := c.kafka(ctx)
	if cfg.Load {
		c.mysql(ctx, topics)
		c.registry(ctx)
	}
	return c.verdict()
}

// registry checks whether the schema registry answers, if a format reads it.
func (c *checker) registry(ctx context.Context) {
	if !c.cfg.readsRegistry() {
		return
	}
	subject := "schema registry " + strings.Join(c.cfg.Registry.URLs, ",")
	schemas, err := registry.New(c.cfg.Registry, nil, nil)
	if err == nil {
		err = schemas.Check(ctx)
	}
	if err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
		return
	}
	c.say("ok", subject, "reachable")
}

// verdict returns the error that sums up the findings.
func (c *checker) verdict() error {
	var errs []error
	if c.refused > 0 {
		errs = append(errs, &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("a start would be refused for the %s above", several(c.refused, "reason"))})
	}
	if c.denied > 0 {
		errs = append(errs, fmt.Errorf("missing permissions in Kafka: the %s above", several(c.denied, "permission")))
	}
	if c.broken > 0 {
		errs = append(errs, fmt.Errorf("receivers would fail for the %s above", several(c.broken, "reason")))
	}
	if c.failed > 0 {
		errs = append(errs, fmt.Errorf("%s could not be reached", several(c.failed, "server")))
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

// isNew reports whether a finding about Kafka was not written yet.
func (c *checker) isNew(finding string) bool {
	was := c.told[finding]
	c.told[finding] = true
	return !was
}

// kafka checks the brokers and the topics, and returns the topics of the events, whose IDs are zero if they do not exist.
func (c *checker) kafka(ctx context.Context) (topics []counted) {
	for _, one := range c.cfg.perTopic() {
		topics = append(topics, counted{cfg: one, topic: batch.Topic{Name: one.Kafka.Topic}})
	}
	subject := "kafka " + strings.Join(c.cfg.Kafka.Brokers, ",")
	if w := c.cfg.Kafka.TLS.Warning(); w != "" {
		c.say("warning", subject, "%s", w)
	}
	if err := kafkaio.Reachable(ctx, c.cfg.Kafka, nil); err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
		return topics
	}
	for i := range topics {
		topics[i].known = c.topic(ctx, subject, &topics[i].cfg, &topics[i].topic)
	}
	return topics
}

// topic checks one topic of the events, and sets its ID. It reports false if Kafka could not be asked.
func (c *checker) topic(ctx context.Context, subject string, cfg *Config, topic *batch.Topic) (known bool) {
	allowed, reached := c.rights(ctx, subject, cfg), c.leaders(ctx, subject, cfg)
	if !allowed || !reached { // the next request would fail
		return false
	}
	reports, err := kafkaio.Check(ctx, cfg.Kafka, cfg.use(), nil)
	if err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
		return false
	}
	if c.isNew("reachable") {
		c.say("ok", subject, "reachable")
	}
	for _, r := range reports {
		subject := "topic " + r.Name
		if r.Missing {
			c.say("note", subject, "does not exist, and will be created at start with %d partitions", c.cfg.Kafka.Partitions)
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
	return true
}

// rights checks the permissions that the process needs. It reports false if one is missing or Kafka does not reply.
func (c *checker) rights(ctx context.Context, subject string, cfg *Config) bool {
	missing, err := kafkaio.MissingRights(ctx, cfg.Kafka, cfg.use())
	if err != nil {
		c.failed++
		c.say("failed", subject, "%v", err)
	}
	for _, m := range missing {
		if !c.isNew(m) {
			continue
		}
		c.denied++
		c.say("failed", subject, "Kafka does not allow %s; add this ACL for the user of etl", m)
	}
	return err == nil && len(missing) == 0
}

// leaders checks whether every broker that leads one of the partitions replies at the address that it advertises, which a
// bootstrap broker's reply does not show. It reports false if one does not.
func (c *checker) leaders(ctx context.Context, subject string, cfg *Config) bool {
	lost, err := kafkaio.CheckLeaders(ctx, cfg.Kafka, cfg.use(), nil)
	if err != nil {
		lost = append(lost, err.Error())
	}
	for _, l := range lost {
		if !c.isNew(l) {
			continue
		}
		c.failed++
		c.say("failed", subject, "%s", l)
	}
	return len(lost) == 0
}

func (c *checker) mysql(ctx context.Context, topics []counted) {
	conns := pool.New(c.cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // no connection is open any more
	tables := sinkOf(&c.cfg).Schema()
	found, err := schema.New(tables, conns, nil).Check(ctx, c.cfg.Plan.Tables())
	if err != nil {
		c.failed++
		c.say("failed", "mysql", "%v", err)
		return
	}
	if server, ok := conns.Server(); ok {
		c.say("ok", "mysql", "%s", server)
	}
	refused, missing := c.refused, map[string]bool{}
	var lacking []schema.Finding
	for _, f := range found.Findings {
		switch {
		case f.Warning:
			c.say("warning", f.Subject, "%s", findingText(f))
		case f.Missing() && c.cfg.Sink.CreateTables:
			missing[f.Subject] = true
			c.say("note", f.Subject, "does not exist, and will be created at start")
		case f.IsLacking():
			lacking = append(lacking, f)
		default:
			c.refuse(f.Subject, "%s", findingText(f))
		}
	}
	c.expired(ctx, conns, missing)
	if c.refused == refused {
		db := &database{ledger: ledger.New(c.cfg.Sink.Job, conns)}
		for i := range topics {
			cfg := sinkOf(&topics[i].cfg)
			cfg.CreateTables, cfg.EvolveTable = false, false
			db.sinks = append(db.sinks, mysqlout.New(cfg, conns, nil, nil))
		}
		if lacking != nil {
			c.evolvable(ctx, db, lacking)
			return
		}
		c.tables(ctx, db, topics, missing)
	}
}

// expired says how many rows a start deletes from the tables whose old windows are deleted.
func (c *checker) expired(ctx context.Context, conns *pool.Pool, missing map[string]bool) {
	want := c.cfg.Plan.Tables()
	for i := range want {
		t := &want[i]
		keep := c.cfg.Sink.Retain[t.FullName()]
		if keep == 0 || missing[t.FullName()] || c.refused > 0 {
			continue
		}
		old, err := schema.New(c.cfg.Sink.Schema(), conns, nil).CountExpired(ctx, t, keep)
		if err != nil {
			c.say("warning", t.FullName(), "cannot tell how many rows of old windows a start deletes: %v", err)
			continue
		}
		c.say("note", t.FullName(), "%s", expiredText(old, keep))
	}
}

// expiredText says what a start deletes.
func expiredText(old schema.Expired, keep time.Duration) string {
	if old.Rows == 0 {
		return fmt.Sprintf("a start deletes nothing: no window ended more than %s (%s) ago", option.Age(keep), option.Ref("retain"))
	}
	more := ""
	if old.More {
		more = "more than "
	}
	return fmt.Sprintf("a start deletes %s%s: all windows before %s, which ended more than %s (%s) ago",
		more, several(int(old.Rows), "row"), old.Before.Format(time.DateTime), option.Age(keep), option.Ref("retain"))
}

// sinkOf returns the configuration of a sink, with what follows from the query.
func sinkOf(c *Config) mysqlout.Config {
	cfg := c.Sink
	cfg.QueryHash, cfg.QueryText = c.Plan.Fingerprint()
	cfg.Dedup, cfg.Joined = c.Dedup.Enabled(), c.Plan.Joined()
	return cfg
}

// database is what the checks of a start use of MySQL.
type database struct {
	sinks  []*mysqlout.Sink // by topic
	ledger *ledger.Ledger
}

// evolvable checks whether the job may add the columns that its tables lack.
func (c *checker) evolvable(ctx context.Context, db *database, lacking []schema.Finding) {
	var may []row.Table
	var err error
	for _, sink := range db.sinks {
		if may, err = sink.Evolvable(ctx, c.cfg.Plan.Tables()); err != nil {
			break
		}
	}
	switch {
	case errors.Is(err, checkpoint.ErrRefused):
		c.refuse("tables", "%v", err)
		return
	case err != nil:
		c.failed++
		c.say("failed", "mysql", "%v", err)
		return
	}
	for _, f := range lacking {
		if slices.ContainsFunc(may, func(t row.Table) bool { return strings.HasPrefix(f.Subject, t.FullName()+".") }) {
			c.say("note", f.Subject, "does not exist, and will be added at start")
		} else {
			c.refuse(f.Subject, "%s", findingText(f))
		}
	}
}

// tables checks whether query and tables match, and whether the job may start on them. A missing table will be created as
// the query needs it. If tables of Sluice's own are missing, the check of the tables has already found whether the job
// may start.
func (c *checker) tables(ctx context.Context, db *database, topics []counted, missing map[string]bool) {
	want := c.cfg.Plan.Tables()
	var there []row.Table
	absent := 0
	for _, t := range want {
		if shown := t.Shown(); t.View != nil && missing[shown.FullName()] {
			absent++
			t.View = nil
		}
		if missing[t.FullName()] {
			absent++
		} else {
			there = append(there, t)
		}
	}
	if absent != len(missing) {
		return
	}
	good, known := true, true
	for i := range topics {
		t := &topics[i]
		err := c.topicTables(ctx, db, i, t, want, there)
		known = known && t.known
		switch {
		case err == nil:
			continue
		case errors.Is(err, checkpoint.ErrRefused):
			c.refuse(t.cfg.named("tables"), "%v", err)
		default:
			c.failed++
			c.say("failed", "mysql", "%v", err)
		}
		good = false
	}
	if !good {
		return
	}
	c.say("ok", "tables", "match the query")
	if known && len(missing) == 0 {
		c.group(ctx, db.ledger)
	}
}

// topicTables checks the tables for the plan of a topic, and whether the job may start with it. there are those of want that
// exist.
func (c *checker) topicTables(ctx context.Context, db *database, i int, t *counted, want, there []row.Table) error {
	found, err := db.sinks[i].Prepare(ctx, there)
	if err != nil {
		return err
	}
	actual := slices.Clone(want)
	for i := range actual {
		if j := slices.IndexFunc(found, func(t row.Table) bool { return t.FullName() == actual[i].FullName() }); j >= 0 {
			actual[i] = found[j]
		}
	}
	if err := bind(t.cfg.Plan, actual); err != nil || !t.known {
		return err
	}
	return c.mayStart(ctx, db.ledger, db.sinks[i], t.topic)
}

// group checks, without joining the job's consumer group, whether processes that load into another database are in it.
func (c *checker) group(ctx context.Context, stored *ledger.Ledger) {
	subject := "group " + c.cfg.Sink.Job
	id, ok, err := stored.ReadIdentity(ctx)
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
			c.say("ok", subject, "a member loads into this database, at address %s", m)
		}
		if !ok {
			c.say("note", subject, "the database has no identity yet; one will be created at start")
		}
	}
}

func (c *checker) mayStart(ctx context.Context, stored *ledger.Ledger, sink *mysqlout.Sink, topic batch.Topic) error {
	if topic.ID == (checkpoint.TopicID{}) { // P26
		switch has, err := stored.HasCheckpoint(ctx, topic.Name); {
		case err != nil:
			return err
		case has:
			return &checkpoint.Error{Class: checkpoint.ErrRefused,
				Err:  fmt.Errorf("topic %s does not exist, but job %s has counted records of it", topic.Name, c.cfg.Sink.Job),
				Hint: "is this the right Kafka cluster? If so, give the job another name, or create the topic and run etl offsets set --new-topic"}
		}
	}
	return sink.CheckStart(ctx, topic)
}

func (c *checker) refuse(subject, format string, args ...any) {
	c.refused++
	c.say("refused", subject, format, args...)
}

func findingText(f schema.Finding) string {
	if f.Do == "" {
		return f.Seen
	}
	return f.Seen + ": " + f.Do
}

// Plan prints the statements that a start would run to create what is missing in MySQL, and runs none of them. Then follow,
// as comments, the reasons for which a start would be refused even so; the error wraps checkpoint.ErrRefused if there are
// any.
func Plan(ctx context.Context, cfg Config, out io.Writer) error {
	conns := pool.New(cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // no connection is open any more
	cfg.Sink.Dedup, cfg.Sink.Joined = cfg.Dedup.Enabled(), cfg.Plan.Joined()
	tables := schema.New(cfg.Sink.Schema(), conns, nil)
	want := cfg.Plan.Tables()
	statements, err := tables.Missing(ctx, want)
	if err != nil {
		return err
	}
	found, err := tables.Check(ctx, want)
	if err != nil {
		return err
	}
	for _, text := range statements {
		fmt.Fprintf(out, "%s;\n\n", quote.Lines(text))
	}
	if len(statements) == 0 {
		fmt.Fprintln(out, "-- Nothing is missing.")
	}
	for i := range want {
		keep := cfg.Sink.Retain[want[i].FullName()]
		if keep == 0 || slices.ContainsFunc(found.Findings, func(f schema.Finding) bool { return !f.Warning && strings.HasPrefix(f.Subject, want[i].FullName()) }) {
			continue // there is no such table, or it is refused
		}
		old, err := tables.CountExpired(ctx, &want[i], keep)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "-- %s: %s.\n", quote.Text(want[i].FullName()), expiredText(old, keep))
	}
	refused := 0
	for _, f := range found.Findings {
		if f.Warning || f.Missing() || f.IsLacking() {
			continue
		}
		refused++
		fmt.Fprintf(out, "-- %s\n", quote.Text(f.String()))
	}
	if refused > 0 {
		return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("a start would be refused for the %s above", several(refused, "reason"))}
	}
	return nil
}

// DDL prints every CREATE and GRANT that the job needs, for the version of the configured server, or for MySQL 8 if the
// server is unreachable.
func DDL(ctx context.Context, cfg Config, out io.Writer) error {
	conns := pool.New(cfg.Pool, nil, nil)
	defer func() { _ = conns.Close() }() // no connection is open any more
	cfg.Sink.Dedup, cfg.Sink.Joined = cfg.Dedup.Enabled(), cfg.Plan.Joined()
	tables := schema.New(cfg.Sink.Schema(), conns, nil)
	if _, err := tables.Check(ctx, cfg.Plan.Tables()); err != nil {
		if _, ok := conns.Server(); !ok {
			fmt.Fprintf(out, "-- The server could not be reached, so the types are those of MySQL 8: %s\n\n", quote.Text(strings.ReplaceAll(err.Error(), "\n", " ")))
		}
	}
	_, err := io.WriteString(out, quote.Lines(tables.DDL(cfg.Plan.Tables())))
	return err
}
