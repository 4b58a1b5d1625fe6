package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/status"
)

// severalSite is the topics app, of JSON, and web, of the combined log format, and a database.
type severalSite struct {
	kafka *kfake.Cluster
	cl    *kgo.Client
	dsn   string
	db    *sql.DB
}

func newSeveralSite(t *testing.T) *severalSite {
	t.Helper()
	server := mariadbtest.Start(t)
	s := &severalSite{kafka: broker(t), dsn: server.DSN(server.Database(t))}
	var err error
	if s.db, err = sql.Open("mysql", s.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	for name, partitions := range map[string]int32{"app": 2, "web": 3, "old": 1} {
		if err := s.kafka.CreateTopic(name, partitions, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s.cl, err = kgo.NewClient(kgo.SeedBrokers(s.kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cl.Close)
	return s
}

// produce produces n records to a topic, of which one in five is in no format.
func (s *severalSite) produce(t *testing.T, topic string, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		line := fmt.Sprintf(`{"status":%d}`, 200+i%2)
		if topic == "web" {
			line = fmt.Sprintf(`192.0.2.7 - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" %d 5120 "-" "curl/8.5.0"`, 200+i%2)
		}
		if i%5 == 4 {
			line = "nonsense"
		}
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(line)})
	}
	if err := s.cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

const severalQuery = "INSERT INTO hits SELECT _topic AS topic, CAST(status AS SIGNED) AS status, COUNT(*) AS n FROM events GROUP BY topic, status"

// config returns the configuration of a job that loads topics, given as pairs of a topic and its format.
func (s *severalSite) config(t *testing.T, text string, pairs ...string) Config {
	t.Helper()
	cfg := config(t, s.kafka.ListenAddrs()[0], s.dsn)
	cfg.Receive = false
	cfg.Kafka.LagInterval, cfg.Kafka.FetchMaxWait = 50*time.Millisecond, 50*time.Millisecond
	cfg.Batch.DeadLetterStop, cfg.Batch.MaxRecords, cfg.Batch.Tasks = 1, 30, 2
	for i := 0; i < len(pairs); i += 2 {
		opts := query.DefaultOptions()
		opts.Format = pairs[i+1]
		plan, err := query.Compile(text, opts)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Topics = append(cfg.Topics, query.TopicPlan{Topic: pairs[i], Plan: plan})
	}
	if err := query.Unite(cfg.Topics); err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Topic, cfg.Plan = cfg.Topics[0].Topic, cfg.Topics[0].Plan
	return cfg
}

// text returns the rows of a statement, one to a line.
func (s *severalSite) text(t *testing.T, statement string) string {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), statement)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

const (
	severalRows  = "SELECT CONCAT_WS(' ', topic, status, n) FROM hits ORDER BY topic, status"
	severalAudit = "SELECT CONCAT_WS(' ', topic, COUNT(*), SUM(next_offset), SUM(counted), SUM(dead), SUM(next_offset - first_offset - counted - dead)) " +
		"FROM etl_checkpoint GROUP BY topic ORDER BY topic"
	severalDead = "SELECT CONCAT_WS(' ', topic, COUNT(*)) FROM etl_dead_letter GROUP BY topic ORDER BY topic"
)

func (s *severalSite) await(t *testing.T, statement, want string) {
	t.Helper()
	got := ""
	deadline := time.Now().Add(waitLimit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for got = s.text(t, statement); got != want; got = s.text(t, statement) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: got\n%s\nexpected\n%s", statement, got, want)
		}
		<-tick.C
	}
}

// A job loads two topics of different formats into one table. Each record is counted once, by its topic's format, and the
// audit of each topic balances. Later the job loads a third topic, whose records are added.
func TestSeveralTopics(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	s.produce(t, "app", 200)
	s.produce(t, "web", 100)
	p := start(t, s.config(t, severalQuery, "app", "json", "web", "combined"))
	s.await(t, severalAudit, "app 2 200 160 40 0\nweb 3 100 80 20 0")
	s.await(t, severalRows, "app 200 80\napp 201 80\nweb 200 40\nweb 201 40")
	s.await(t, severalDead, "app 40\nweb 20")
	await(t, "it is ready", func() bool { code, _ := p.standings(t); return code == http.StatusOK })
	_, states := p.standings(t)
	for _, name := range []string{"kafka", "group", "mysql", "partitions"} {
		if states[name+" app"] != status.OK || states[name+" web"] != status.OK {
			t.Errorf("the condition %s: got %v, expected one of each topic", name, states)
		}
	}
	await(t, "the lag of each topic is known", func() bool {
		_, metrics := p.get(t, "/metrics")
		return strings.Contains(metrics, `etl_consume_lag_records{partition="2",topic="web"} 0`) && strings.Contains(metrics, `etl_consume_lag_records{partition="1",topic="app"} 0`)
	})
	if _, page := p.get(t, "/api/v1/status"); !strings.Contains(page, `"app/1"`) || !strings.Contains(page, `"web/2"`) || !strings.Contains(page, "format combined") {
		t.Errorf("the status does not show both topics:\n%s", page)
	}
	s.produce(t, "web", 10)
	s.await(t, severalAudit, "app 2 200 160 40 0\nweb 3 110 88 22 0")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}

	s.produce(t, "old", 10)
	s.produce(t, "app", 10)
	p = start(t, s.config(t, severalQuery, "web", "combined", "old", "json", "app", "json"))
	s.await(t, severalAudit, "app 2 210 168 42 0\nold 1 10 8 2 0\nweb 3 110 88 22 0")
	s.await(t, severalRows, "app 200 84\napp 201 84\nold 200 4\nold 201 4\nweb 200 44\nweb 201 44")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}

// Two processes of a job share the partitions of both topics. One ends, and the other takes over all.
func TestSeveralTopics_twoProcesses(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	one := start(t, s.config(t, severalQuery, "app", "json", "web", "combined"))
	two := start(t, s.config(t, severalQuery, "web", "combined", "app", "json"))
	owned := func(p *process, topic string) bool {
		_, metrics := p.get(t, "/metrics")
		return strings.Contains(metrics, `etl_consume_owned_partitions{topic="`+topic+`"} 1`)
	}
	await(t, "each has partitions of both topics", func() bool {
		return owned(one, "app") && owned(two, "app") && (owned(one, "web") || owned(two, "web"))
	})
	s.produce(t, "app", 500)
	s.produce(t, "web", 500)
	one.stop()
	if err := one.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	s.await(t, severalAudit, "app 2 500 400 100 0\nweb 3 500 400 100 0")
	s.await(t, severalRows, "app 200 200\napp 201 200\nweb 200 200\nweb 201 200")
}

// The format of one topic has changed: the start is refused before anything of any topic is counted, and etl check says so.
func TestSeveralTopics_anotherFormat(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	s.produce(t, "app", 10)
	s.produce(t, "web", 10)
	p := start(t, s.config(t, severalQuery, "app", "json", "web", "combined"))
	s.await(t, severalAudit, "app 2 10 8 2 0\nweb 3 10 8 2 0")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	s.produce(t, "app", 10)
	changed := s.config(t, severalQuery, "app", "json", "web", "common")
	err := Run(t.Context(), changed, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "has counted by another query") {
		t.Errorf("got %v, expected a refusal because of the format of web", err)
	}
	s.await(t, severalAudit, "app 2 10 8 2 0\nweb 3 10 8 2 0")
	var out bytes.Buffer
	if err := Check(t.Context(), changed, &out); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(out.String(), "refused  tables web: ") || strings.Contains(out.String(), "tables app") {
		t.Errorf("got %v, expected a refusal of web alone:\n%s", err, &out)
	}
	out.Reset()
	if err := Check(t.Context(), s.config(t, severalQuery, "app", "json", "web", "combined", "new", "json"), &out); err != nil {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"ok       topic app: 2 partitions", "ok       topic web: 3 partitions", "note     topic new: does not exist", "ok       tables: match"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("expected %q once:\n%s", want, &out)
		}
	}
	if n := strings.Count(out.String(), "reachable"); n != 1 {
		t.Errorf("the cluster is reported %d times:\n%s", n, &out)
	}
}

// The start is refused because of the second topic, whose checkpoints are of another query. The first one is new to the job,
// but adds no columns before: those would stay.
func TestSeveralTopics_evolvesNothingBeforeARefusal(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	const before = "INSERT INTO hits SELECT _topic AS topic, COUNT(*) AS n FROM events GROUP BY topic"
	const after = "INSERT INTO hits SELECT _topic AS topic, COUNT(*) AS n, MAX(_offset) AS highest FROM events GROUP BY topic"
	s.produce(t, "web", 10)
	p := start(t, s.config(t, before, "web", "combined"))
	s.await(t, "SELECT COALESCE(SUM(next_offset), 0) FROM etl_checkpoint", "10")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	cfg := s.config(t, after, "app", "json", "web", "combined")
	cfg.Sink.EvolveTable = true
	const columns = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'hits' AND column_name = 'highest'"
	err := Run(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "has counted by another query") {
		t.Errorf("got %v, expected a refusal because of the query", err)
	}
	if got := s.text(t, columns); got != "0" {
		t.Error("the refused start has added a column")
	}
	cfg = s.config(t, after, "app", "json", "web", "combined")
	cfg.Sink.EvolveTable, cfg.Sink.ContinueQuery = true, true
	p = start(t, cfg)
	s.await(t, columns, "1")
	s.produce(t, "web", 10)
	s.await(t, "SELECT COALESCE(MAX(highest), 0) > 0 FROM hits", "1")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}

// A topic of several was recreated: that one is refused by its ID.
func TestP4_OneOfSeveralTopicsRecreated(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	s.produce(t, "app", 10)
	p := start(t, s.config(t, severalQuery, "app", "json", "web", "combined"))
	s.await(t, severalAudit, "app 2 10 8 2 0\nweb 3 0 0 0 0")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), "UPDATE etl_checkpoint SET topic_id = x'77' WHERE topic = 'web'"); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), s.config(t, severalQuery, "app", "json", "web", "combined"), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "topic web has the ID") {
		t.Errorf("got %v, expected that topic web is refused", err)
	}
}

// What cannot be with several topics is an error of the options.
func TestSeveralTopics_options(t *testing.T) {
	t.Parallel()
	plan := config(t, "", "").Plan
	for want, change := range map[string]func(*Config){
		"must be one topic, the one into which events are received": func(c *Config) { c.Receive = true },
		"must be one topic, because a replay":                       func(c *Config) { c.Sink.Replay = true },
		"must name each topic once":                                 func(c *Config) { c.Topics[1].Topic = "a" },
		`option 'kafka-topic' is "b/", must be 1 to 245`:            func(c *Config) { c.Topics[1].Topic = "b/" },
		"option 'memory' is 20000000, must be at least 33554432":    func(c *Config) { c.Batch.Memory = 20_000_000 },
	} {
		cfg := config(t, "k:1", "u@tcp(127.0.0.1:1)/d")
		cfg.Receive = false
		cfg.Topics = []query.TopicPlan{{Topic: "a", Plan: plan}, {Topic: "b", Plan: plan}}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
}

// The topics of a process share its limits, and each has its own plan and checkpoints.
func TestSeveralTopics_limits(t *testing.T) {
	t.Parallel()
	plan := config(t, "", "").Plan
	cfg := config(t, "k:1", "u@tcp(127.0.0.1:1)/d")
	cfg.Topics = []query.TopicPlan{{Topic: "a", Plan: plan}, {Topic: "b"}}
	cfg.Batch.Memory, cfg.Batch.DeadLetterRate = 64<<20, 1
	for i, one := range cfg.perTopic() {
		if one.Kafka.Topic != cfg.Topics[i].Topic || one.Plan != cfg.Topics[i].Plan || one.Sink.Topic != one.Kafka.Topic || len(one.Sink.Topics) != 2 {
			t.Errorf("topic %d: got %s, the sink of %s of %v", i, one.Kafka.Topic, one.Sink.Topic, one.Sink.Topics)
		}
		if one.Batch.Memory != 32<<20 || one.Batch.DeadLetterRate != 1 { // a rate of 0 would store all
			t.Errorf("topic %d: got memory %d and a dead-letter rate of %d, expected half the memory and 1", i, one.Batch.Memory, one.Batch.DeadLetterRate)
		}
	}
}

// A demand to read joined tables again reaches every topic.
func TestLoadings_passDemands(t *testing.T) {
	t.Parallel()
	demand := make(chan struct{})
	l := &loadings{cfg: Config{ReadJoined: demand}, demands: []chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { l.passDemands(ctx); close(over) }()
	for range 3 { // more demands than are read do not block
		demand <- struct{}{}
	}
	for _, c := range l.demands {
		<-c
	}
	cancel()
	<-over
}

// A replay counts one of the topics. Its table does not take the place of the job's, which has the rows of the others.
func TestReplay_oneOfSeveralTopics(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	s.produce(t, "app", 10)
	s.produce(t, "web", 20)
	p := start(t, s.config(t, severalQuery, "app", "json", "web", "combined"))
	s.await(t, severalAudit, "app 2 10 8 2 0\nweb 3 20 16 4 0")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	cfg := s.config(t, severalQuery, "web", "combined")
	cfg.Topics, cfg.Status.Listen = nil, ""
	opts := query.DefaultOptions()
	opts.Format, opts.Into = "combined", "again"
	var err error
	if cfg.Plan, err = query.Compile(severalQuery, opts); err != nil {
		t.Fatal(err)
	}
	if err := runSwap(t, cfg, Stretch{}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "has counted topic app too") {
		t.Errorf("got %v, expected that the swap is refused", err)
	}
	if got := s.text(t, "SELECT COUNT(*) FROM again"); got != "0" {
		t.Errorf("the refused swap has counted %s rows", got)
	}
	if err := Replay(t.Context(), cfg, Stretch{}, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if got := s.text(t, "SELECT CONCAT_WS(' ', topic, status, n) FROM again ORDER BY topic, status"); got != "web 200 8\nweb 201 8" {
		t.Errorf("the replay has counted\n%s", got)
	}
}

// Old windows are deleted once for all topics, and late records of every topic are dead letters.
func TestP36_severalTopics(t *testing.T) {
	t.Parallel()
	s := newSeveralSite(t)
	const windowed = "INSERT INTO hours SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS hour, COUNT(*) AS n FROM events GROUP BY hour"
	produce := func(topic string, age time.Duration) {
		t.Helper()
		record := &kgo.Record{Topic: topic, Value: []byte("{}"), Timestamp: time.Now().Add(-age)}
		if err := s.cl.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, topic := range []string{"app", "web"} {
		produce(topic, 0)
		produce(topic, 100*24*time.Hour)
	}
	const audit = "SELECT CONCAT_WS(' ', topic, SUM(counted), SUM(dead)) FROM etl_checkpoint GROUP BY topic ORDER BY topic"
	p := start(t, s.config(t, windowed, "app", "json", "web", "raw"))
	s.await(t, audit, "app 2 0\nweb 2 0")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	cfg := s.config(t, windowed, "app", "json", "web", "raw")
	cfg.Sink.Retain = map[string]time.Duration{"hours": 30 * 24 * time.Hour}
	p = start(t, cfg)
	s.await(t, "SELECT COUNT(*) FROM hours WHERE hour < UTC_TIMESTAMP() - INTERVAL 30 DAY", "0")
	for _, topic := range []string{"app", "web"} {
		produce(topic, 100*24*time.Hour)
		produce(topic, 0)
	}
	s.await(t, audit, "app 3 1\nweb 3 1")
	s.await(t, "SELECT SUM(n) FROM hours", "4")
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}
