package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/query/ast"
)

// replaySite is a topic of three partitions, whose records have times of their own, and a database.
type replaySite struct {
	server *mariadbtest.Server
	schema string
	db     *sql.DB
	kafka  *kfake.Cluster
	cl     *kgo.Client
	rng    *rand.Rand
	base   time.Time
}

func newReplaySite(t *testing.T) *replaySite {
	t.Helper()
	s := &replaySite{server: mariadbtest.Start(t), kafka: broker(t), base: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)}
	s.schema = s.server.Database(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s.rng = rand.New(rand.NewPCG(seed, 1))
	var err error
	if s.db, err = sql.Open("mysql", s.server.DSN(s.schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if err := s.kafka.CreateTopic("logs", 3, map[string]string{"message.timestamp.type": "CreateTime"}); err != nil {
		t.Fatal(err)
	}
	if s.cl, err = kgo.NewClient(kgo.SeedBrokers(s.kafka.ListenAddrs()...), kgo.DefaultProduceTopic("logs"), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cl.Close)
	return s
}

// produce produces n records with times from minute on, all within a minute. One in fifty is no JSON.
func (s *replaySite) produce(t *testing.T, minute, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		body := fmt.Sprintf(`{"k":"%c","n":%d,"d":"%d.%03d","s":"text %d"`, 'a'+s.rng.IntN(5), s.rng.IntN(2000)-1000, s.rng.IntN(100), s.rng.IntN(1000), s.rng.IntN(40))
		if s.rng.IntN(9) == 0 {
			body = fmt.Sprintf(`{"k":"%c"`, 'a'+s.rng.IntN(6))
		}
		if s.rng.IntN(50) > 0 {
			body += "}"
		}
		at := s.base.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Minute/time.Duration(n))
		records = append(records, &kgo.Record{Partition: int32(s.rng.IntN(3)), Value: []byte(body), Timestamp: at})
	}
	if err := s.cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// config returns the configuration of a job with this query, or of a replay of it if into is not empty. Its batches are
// small, so that a crash or a stop finds some committed and some not.
func (s *replaySite) config(t *testing.T, text, into string) Config {
	t.Helper()
	cfg := config(t, s.kafka.ListenAddrs()[0], s.server.DSN(s.schema))
	cfg.Receive = false
	cfg.Kafka.LagInterval, cfg.Kafka.FetchMaxWait = 50*time.Millisecond, 50*time.Millisecond
	cfg.Batch.Interval, cfg.Batch.MaxRecords, cfg.Batch.Tasks = 20*time.Millisecond, int64(20+s.rng.IntN(200)), 1+s.rng.IntN(3)
	opts := query.DefaultOptions()
	opts.Format, opts.Into = "json", into
	var err error
	if cfg.Plan, err = query.Compile(text, opts); err != nil {
		t.Fatal(err)
	}
	if into != "" {
		cfg.Status.Listen = ""
	}
	return cfg
}

// load runs a job until its checkpoints are at these offsets in total.
func (s *replaySite) load(t *testing.T, cfg Config, offsets int64) {
	t.Helper()
	p := start(t, cfg)
	await(t, fmt.Sprintf("job %s is at %d", cfg.Sink.Job, offsets), func() bool { return s.sum(t, "next_offset - first_offset", cfg.Sink.Job) >= offsets })
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
}

// sum returns the total of an expression over the checkpoints of a job.
func (s *replaySite) sum(t *testing.T, expression, job string) (n int64) {
	t.Helper()
	err := s.db.QueryRowContext(t.Context(), "SELECT COALESCE(SUM("+expression+"), -1) FROM etl_checkpoint WHERE job = ?", job).Scan(&n)
	if err != nil && !strings.Contains(err.Error(), "1146") { // the table does not exist yet
		t.Fatal(err)
	}
	return n
}

// replay runs a replay once, and returns its log.
func (s *replaySite) replay(ctx context.Context, cfg Config, stretch Stretch) (log string, err error) {
	b := &lockedBuffer{}
	err = Replay(ctx, cfg, stretch, false, slog.New(slog.NewTextHandler(b, nil)))
	return b.String(), err
}

// stopped returns a context that ends once the condition holds.
func stopped(t *testing.T, condition func() bool) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && !condition() {
			<-tick.C
		}
		cancel()
	})
	t.Cleanup(func() {
		cancel()
		over.Wait()
	})
	return ctx
}

// rows returns all columns of a table, hidden ones too, in order of the key, with the bytes of each value.
func (s *replaySite) rows(t *testing.T, table string) string {
	t.Helper()
	var columns []string
	named, err := s.db.QueryContext(t.Context(), "SELECT CONCAT('HEX(`', column_name, '`)') FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position", table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = named.Close() }()
	for named.Next() {
		var c string
		if err := named.Scan(&c); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	if err := errors.Join(named.Err(), named.Close()); err != nil || columns == nil {
		t.Fatalf("the columns of %s: %v, %v", table, columns, err)
	}
	var out sql.NullString
	if err := s.db.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(r ORDER BY r SEPARATOR '\n') FROM (SELECT CONCAT_WS(',', "+strings.Join(withNulls(columns), ", ")+") AS r FROM "+table+") AS q").Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out.String
}

func withNulls(columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = "COALESCE(" + c + ", 'NULL')"
	}
	return out
}

// aggregates has an item for each aggregate of the query language, by its name there. A new aggregate fails the test below
// until it has one.
var aggregates = map[string]string{
	"count":                 "COUNT(*); COUNT(n); COUNT(DISTINCT s)",
	"sum":                   "SUM(CAST(n AS SIGNED)); SUM(CAST(d AS DECIMAL(12,3)))",
	"min":                   "MIN(s); MIN(CAST(n AS SIGNED))",
	"max":                   "MAX(s); MAX(CAST(d AS DOUBLE))",
	"any_value":             "ANY_VALUE(s)",
	"bit_and":               "BIT_AND(CAST(n AS SIGNED))",
	"bit_or":                "BIT_OR(CAST(n AS SIGNED))",
	"bit_xor":               "BIT_XOR(CAST(n AS SIGNED))",
	"approx_count_distinct": "APPROX_COUNT_DISTINCT(s)",
	"approx_percentile":     "APPROX_PERCENTILE(CAST(n AS SIGNED), 0.9)",
	"min_by":                "MIN_BY(s, CAST(n AS SIGNED))",
	"max_by":                "MAX_BY(CAST(n AS SIGNED), CAST(s AS CHAR))",
	"first":                 "FIRST(s)",
	"last":                  "LAST(CAST(n AS SIGNED))",
	"group_concat":          "GROUP_CONCAT(DISTINCT s)",
	"avg":                   "AVG(CAST(n AS SIGNED))",
	"variance":              "VARIANCE(CAST(n AS SIGNED))",
	"var_pop":               "VAR_POP(CAST(d AS DECIMAL(12,3)))",
	"var_samp":              "VAR_SAMP(CAST(n AS SIGNED))",
	"std":                   "STD(CAST(n AS SIGNED))",
	"stddev":                "STDDEV(CAST(d AS DECIMAL(12,3)))",
	"stddev_pop":            "STDDEV_POP(CAST(n AS SIGNED))",
	"stddev_samp":           "STDDEV_SAMP(CAST(n AS SIGNED))",
}

// everyAggregate returns the items of all aggregates, each with a name.
func everyAggregate(t *testing.T) string {
	t.Helper()
	var items []string
	for _, name := range slices.Concat(ast.Aggregates, ast.Composed) {
		of := aggregates[name]
		if of == "" {
			t.Errorf("aggregate %s has no item in this test: add one, so that its replay is compared", name)
			continue
		}
		for i, item := range strings.Split(of, "; ") {
			items = append(items, fmt.Sprintf("%s AS %s%d", item, name, i))
		}
	}
	return strings.Join(items, ", ")
}

// The same stretch gives the same bytes in every column of every row, live or replayed, for every aggregate and for
// REPLACE, whatever the batches are and although the replay is stopped and resumed. Neither the live job nor its rows
// change, and records before and after the stretch are not counted.
func TestReplay_sameRows(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 300)
	s.produce(t, 1, 3000)
	texts := map[string]string{
		"totals": "INSERT INTO totals SELECT COALESCE(k, '') AS k, " + everyAggregate(t) + " FROM events GROUP BY k",
		"latest": "REPLACE INTO latest SELECT COALESCE(k, '') AS k, n, s, COUNT(*) AS c FROM events GROUP BY k",
		"visits": "INSERT INTO visits SELECT SESSION(_timestamp, INTERVAL 1 SECOND) AS visit, COALESCE(k, '') AS k, COUNT(*) AS c FROM events GROUP BY visit, k",
		"firsts": "INSERT IGNORE INTO firsts SELECT COALESCE(k, '') AS k, n, s FROM events GROUP BY k",
		"nulls":  "INSERT INTO nulls SELECT n, COUNT(*) AS c FROM events GROUP BY n",
	}
	stretch := Stretch{From: s.base.Add(time.Minute), To: s.base.Add(2 * time.Minute)}
	for table, text := range texts {
		live := s.config(t, text, "")
		live.Sink.Job, live.Kafka.Start = table, stretch.From.Format(time.RFC3339)
		s.load(t, live, 3000)
	}
	s.produce(t, 2, 500)
	for table, text := range texts {
		before, checkpoints := s.rows(t, table), s.rows(t, "etl_checkpoint")
		again := table + "_again"
		interrupted := 0
		for {
			cfg := s.config(t, text, again)
			was, ctx := s.sum(t, "next_offset", ReplayJob("etl", again)), t.Context()
			if interrupted < 3 { // once it has committed something more
				ctx = stopped(t, func() bool { return s.sum(t, "next_offset", ReplayJob("etl", again)) > was })
			}
			log, err := s.replay(ctx, cfg, stretch)
			if err == nil {
				if !strings.Contains(log, "Replay progress") || !strings.Contains(log, "percent=100") {
					t.Errorf("the log does not show that the replay is finished:\n%s", log)
				}
				break
			}
			if interrupted++; !strings.Contains(err.Error(), "run the same command again") {
				t.Fatalf("%v\n%s", err, log)
			}
		}
		if got := s.rows(t, again); got != before {
			t.Errorf("%s: replayed, the rows are\n%s\nlive they are\n%s", table, got, before)
		}
		if got := s.rows(t, table); got != before {
			t.Errorf("%s: the replay changed the rows of the live job", table)
		}
		for line := range strings.SplitSeq(checkpoints, "\n") {
			if !strings.Contains(s.rows(t, "etl_checkpoint"), line) {
				t.Errorf("%s: the replay changed or removed the checkpoint %s", table, line)
			}
		}
		if interrupted == 0 {
			t.Errorf("%s: the replay was not interrupted", table)
		}
		if n := s.sum(t, "counted + filtered + dead + gaps", ReplayJob("etl", again)); n != 3000 {
			t.Errorf("%s: the audit of the replay has %d offsets, expected 3000", table, n)
		}
	}
}

// What would harm data, or is no stretch, is refused, and nothing is stored for it.
func TestReplay_refused(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 100)
	const text = "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k"
	s.load(t, s.config(t, text, ""), 100)
	all := Stretch{}
	refused := func(name string, cfg Config, stretch Stretch, want string) {
		t.Helper()
		_, err := s.replay(t.Context(), cfg, stretch)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected an error that contains %q", name, err, want)
		}
	}
	at := func(m int) time.Time { return s.base.Add(time.Duration(m) * time.Minute) }
	refused("from after to", s.config(t, text, "again"), Stretch{From: at(2), To: at(1)}, "must be after")
	refused("from is to", s.config(t, text, "again"), Stretch{From: at(2), To: at(2)}, "must be after")
	refused("to in the future", s.config(t, text, "again"), Stretch{To: time.Now().Add(time.Hour)}, "must not be in the future")
	for _, into := range []string{"totals", "Totals"} {
		opts := query.DefaultOptions()
		opts.Format, opts.Into = "json", into
		if _, err := query.Compile(text, opts); err == nil || !strings.Contains(err.Error(), "the table of the query itself") {
			t.Errorf("into %s: got %v, expected a refusal", into, err)
		}
	}
	if err := s.server.Exec(s.schema, "CREATE TABLE filled (k VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL)", "INSERT INTO filled VALUES ('x', 1)"); err != nil {
		t.Fatal(err)
	}
	refused("a table with rows", s.config(t, text, "filled"), all, "table filled holds rows")
	other := strings.Replace(text, "totals", "elsewhere", 1)
	refused("the table of the live job", s.config(t, other, "totals"), all,
		fmt.Sprintf(`table totals belongs to job "etl", this is job %q: write to another table`, ReplayJob("etl", "totals")))
	missing := s.config(t, text, "again")
	missing.Kafka.Topic = "missing"
	refused("no topic", missing, all, "topic missing does not exist")
	var stored int
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM etl_replay").Scan(&stored); err != nil || stored != 0 {
		t.Errorf("etl_replay has %d rows and %v after refusals, expected none", stored, err)
	}

	if log, err := s.replay(t.Context(), s.config(t, text, "again"), all); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if s.rows(t, "again") != s.rows(t, "totals") {
		t.Error("the replay of everything differs from the live rows")
	}
	_, err := s.replay(t.Context(), s.config(t, text, "again"), all)
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "is finished") {
		t.Errorf("a finished replay: got %v, expected a refusal", err)
	}
	refused("another stretch", s.config(t, text, "again"), Stretch{From: at(-5)}, "began from earliest to the end, but now the stretch is from 2026-11-28T09:55:00.000Z")
	if err := s.kafka.DeleteRecords("logs", 0, 5); err != nil {
		t.Fatal(err)
	}
	refused("deleted records", s.config(t, text, "late"), Stretch{From: at(-5)}, "begin after 2026-11-28T10:00:")
}

// A replay whose partition stops ends with the reason, and the next start resumes it. Here the records that it needs are
// deleted while it is stopped.
func TestReplay_endsWhereAPartitionStops(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 1000)
	cfg := s.config(t, "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k", "again")
	if log, err := s.replay(stopped(t, func() bool { return s.sum(t, "epoch", ReplayJob("etl", "again")) >= 3 }), cfg, Stretch{}); err == nil {
		t.Fatalf("the replay was not stopped\n%s", log)
	}
	if err := s.server.Exec(s.schema, "UPDATE etl_checkpoint SET next_offset = 3, leader_epoch = -1 WHERE partition_id = 1"); err != nil {
		t.Fatal(err)
	}
	if err := s.kafka.DeleteRecords("logs", 1, 10); err != nil {
		t.Fatal(err)
	}
	log, err := s.replay(t.Context(), cfg, Stretch{})
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "partition logs/1 stopped") || !strings.Contains(err.Error(), "records 3..9 are deleted") {
		t.Fatalf("got %v, expected the reason why partition 1 stopped \n%s", err, log)
	}
}

// Two processes share a replay, and both end when all of it is committed.
func TestReplay_twoProcesses(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 2000)
	const text = "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k"
	s.load(t, s.config(t, text, ""), 2000)
	configs := []Config{s.config(t, text, "again"), s.config(t, text, "again")}
	ended := make(chan error, len(configs))
	for _, cfg := range configs {
		go func() {
			_, err := s.replay(t.Context(), cfg, Stretch{})
			ended <- err
		}()
	}
	for range configs {
		// The second may begin when the first has finished.
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "is finished") {
			t.Error(err)
		}
	}
	if got, want := s.rows(t, "again"), s.rows(t, "totals"); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

// A replay begins although the reply to the COMMIT that stores its ranges is lost, whether it was applied or not.
func TestReplay_beginsWithoutAReply(t *testing.T) {
	t.Parallel()
	s := newReplaySite(t)
	s.produce(t, 0, 300)
	const text = "INSERT INTO totals SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k"
	s.load(t, s.config(t, text, ""), 300)
	for name, fate := range map[string]mysqlproxy.Fate{"cut_before": mysqlproxy.CutBefore, "cut_after": mysqlproxy.CutAfter, "swallowed": mysqlproxy.Swallow} {
		proxy, err := mysqlproxy.Start(s.server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = proxy.Close() })
		proxy.Commits(mysqlproxy.Once(fate))
		cfg := s.config(t, text, name)
		cfg.Pool.DSN = s.server.DSNVia(proxy.Addr(), s.schema)
		cfg.Pool.LockWait, cfg.Pool.Answer, cfg.Pool.IdleTransaction = time.Second, 2*time.Second, 3*time.Second
		if log, err := s.replay(t.Context(), cfg, Stretch{}); err != nil {
			t.Errorf("%s: %v\n%s", name, err, log)
			continue
		}
		if n := proxy.Done(fate); n != 1 {
			t.Errorf("%s: %d COMMITs were cut, expected 1", name, n)
		}
		if got, want := s.rows(t, name), s.rows(t, "totals"); got != want {
			t.Errorf("%s: got\n%s\nexpected\n%s", name, got, want)
		}
	}
}
