package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/joined"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/status"
)

// waitLimit limits every wait of these tests.
const waitLimit = 30 * time.Second

// closedPort returns an address on which no process listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func broker(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// config returns the configuration of a process that counts words.
func config(t *testing.T, kafka, dsn string) Config {
	t.Helper()
	opts := query.DefaultOptions()
	opts.Format = "words"
	plan, err := query.Compile("INSERT INTO words SELECT word, COUNT(*) AS n FROM events GROUP BY word", opts)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Receive: true, Load: true, ShutdownTimeout: 5 * time.Second,
		Kafka: kafkaio.DefaultConfig(), Status: status.Config{Listen: "127.0.0.1:0"},
		Shared: receiver.DefaultConfig(), Avro: avro.DefaultConfig(),
		Plan: plan, Batch: batch.DefaultConfig(), Pool: pool.DefaultConfig(), Sink: mysqlout.DefaultConfig(), Joined: joined.DefaultConfig(),
	}
	c.Kafka.Brokers, c.Kafka.Partitions = []string{kafka}, 3
	c.Avro.Listen = "127.0.0.1:0"
	c.Pool.DSN = dsn
	c.Batch.Interval = 100 * time.Millisecond
	return c
}

// process is a running Run.
type process struct {
	at    Addresses
	stop  context.CancelFunc
	ended chan error
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, cfg Config) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{stop: cancel, ended: make(chan error, 1), log: &lockedBuffer{}}
	listening := make(chan Addresses, 1)
	cfg.Listening = func(at Addresses) { listening <- at }
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.ended <- Run(ctx, cfg, slog.New(slog.NewTextHandler(p.log, nil)), prometheus.NewRegistry())
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	select {
	case p.at = <-listening:
	case <-over:
		t.Fatalf("the process ended at once: %v", <-p.ended)
	case <-time.After(waitLimit):
		t.Fatal("the process did not start to listen")
	}
	return p
}

func (p *process) wantEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(waitLimit):
		t.Fatal("the process did not end")
		return nil
	}
}

func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.at.Admin.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// standings returns the status of /readyz, and the states of its conditions.
func (p *process) standings(t *testing.T) (int, map[string]status.State) {
	t.Helper()
	code, body := p.get(t, "/readyz")
	var r status.Readiness
	_ = json.Unmarshal([]byte(body), &r) // no conditions if the reply is not JSON
	states := map[string]status.State{}
	for _, c := range r.Conditions {
		states[c.Name] = c.State
	}
	return code, states
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting: %s", what)
		}
		<-tick.C
	}
}

// loads waits until the process counts: its tables exist, and it is in the consumer group.
func (p *process) loads(t *testing.T) {
	t.Helper()
	await(t, "it counts", func() bool {
		_, states := p.standings(t)
		return states["mysql"] == status.OK && states["group"] == status.OK
	})
}

func (p *process) dial(t *testing.T) *avroclient.Client {
	t.Helper()
	c, err := avroclient.Dial(t.Context(), avroclient.DefaultConfig(p.at.Avro.String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func events(bodies ...string) []receiver.Event {
	out := make([]receiver.Event, len(bodies))
	for i, b := range bodies {
		out[i].Body = []byte(b)
	}
	return out
}

// Receiving does not wait for MySQL, reports the degraded state, and stops on request.
func TestRun_mysqlUnavailableAtStart(t *testing.T) {
	t.Parallel()
	k, away := broker(t), closedPort(t)
	p := start(t, func() Config {
		c := config(t, k.ListenAddrs()[0], "u@tcp("+away+")/d")
		c.Kafka.Topic = "there"
		return c
	}())
	// The topic is missing, and MySQL is unavailable, so it is unknown whether a checkpoint of it exists: the topic is
	// not created (P26).
	await(t, "the wait for MySQL is logged", func() bool { return strings.Contains(p.log.String(), "Cannot start the job in MySQL yet") })
	if !strings.Contains(p.log.String(), away) {
		t.Errorf("the log does not name %s:\n%s", away, p.log)
	}
	if err := k.CreateTopic("there", 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.dial(t).Append(t.Context(), events("a b")); err != nil {
		t.Fatalf("receiving must continue without MySQL: %v", err)
	}
	await(t, "Kafka was asked", func() bool { _, states := p.standings(t); return states["kafka"] == status.OK })
	if code, states := p.standings(t); code != http.StatusOK || states["mysql"] != status.Degraded || states["receivers"] != status.OK {
		t.Errorf("readyz: %d %v; expected %v, states[\"mysql\"] %v and states[\"receivers\"] %v", code, states, http.StatusOK, status.Degraded, status.OK)
	}
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A process that only receives has no pool, whatever is configured: it never connects to MySQL.
func TestRun_ingestNeverConnectsToMySQL(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{})
	go func() {
		defer close(connected)
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			connected <- struct{}{}
		}
	}()
	cfg := config(t, broker(t).ListenAddrs()[0], "u@tcp("+l.Addr().String()+")/d")
	cfg.Load = false
	p := start(t, cfg)
	if err := p.dial(t).Append(t.Context(), events("a", "b")); err != nil {
		t.Fatal(err)
	}
	await(t, "it is ready", func() bool { code, _ := p.standings(t); return code == http.StatusOK })
	if code, states := p.standings(t); code != http.StatusOK || len(states) != 3 {
		t.Errorf("readyz: %d %v; expected %v and 3 elements", code, states, http.StatusOK)
	}
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	_ = l.Close()
	if _, ok := <-connected; ok {
		t.Error("it connected to MySQL")
	}
}

// Kafka is unavailable at start: the log names the address, receivers read nothing, readiness is 503, and the process
// stops on request.
func TestRun_kafkaUnavailableAtStart(t *testing.T) {
	t.Parallel()
	away := closedPort(t)
	cfg := config(t, away, "")
	cfg.Load = false
	p := start(t, cfg)
	await(t, "the wait for Kafka is logged", func() bool {
		return strings.Contains(p.log.String(), "Kafka is not reachable") && strings.Contains(p.log.String(), away)
	})
	if code, states := p.standings(t); code != http.StatusServiceUnavailable || states["receivers"] != status.Down {
		t.Errorf("readyz: %d %v; expected %v and states[\"receivers\"] %v", code, states, http.StatusServiceUnavailable, status.Down)
	}
	if code, _ := p.get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d, expected %v", code, http.StatusOK)
	}
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// The process is stopped while Kafka delays a request: readiness ends at once, the request gets OK when Kafka
// acknowledges it, and only then does the process end.
func TestP33_repliesToAcknowledgedRequests(t *testing.T) {
	t.Parallel()
	k := broker(t)
	cfg := config(t, k.ListenAddrs()[0], "")
	cfg.Load = false
	p := start(t, cfg)
	c := p.dial(t)
	if err := c.Append(t.Context(), events("first")); err != nil {
		t.Fatal(err)
	}
	held, goOn := make(chan struct{}), make(chan struct{})
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(held)
		k.SleepControl(func() { <-goOn })
		return nil, nil, false
	})
	answer := make(chan error, 1)
	go func() { answer <- c.Append(context.Background(), events("second")) }()
	<-held
	p.stop()
	await(t, "readyz says 503", func() bool { code, states := p.standings(t); return code == 503 && states["running"] == status.Down })
	select {
	case err := <-p.ended:
		t.Fatalf("it ended before Kafka replied: %v", err)
	case err := <-answer:
		t.Fatalf("got a reply before Kafka's: %v", err)
	default:
	}
	close(goOn)
	if err := <-answer; err != nil {
		t.Errorf("the request did not get OK: %v", err)
	}
	if err := p.wantEnd(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A port that is in use ends the start with its option's name, before the process sends anything to Kafka.
func TestRun_portInUse(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for option, take := range map[string]func(*Config){
		"option 'admin-listen'": func(c *Config) { c.Status.Listen = l.Addr().String() },
		"option 'avro.listen'":  func(c *Config) { c.Avro.Listen = l.Addr().String() },
		"option 'thrift.listen'": func(c *Config) {
			c.Avro.Listen, c.Thrift = "", thrift.DefaultConfig()
			c.Thrift.Listen = l.Addr().String()
		},
		"option 'http.listen'": func(c *Config) { c.HTTP = httpreceiver.DefaultConfig(); c.HTTP.Listen = l.Addr().String() },
	} {
		cfg := config(t, closedPort(t), "")
		cfg.Load = false
		take(&cfg)
		err := Run(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), option) || !strings.Contains(err.Error(), "in use: another process uses this port") {
			t.Errorf("%s: got %v, expected an error that contains %q", option, err, "in use: another process uses this port")
		}
	}
}

// A job without a checkpoint ends at start if its table holds rows, or belongs to another job (P3), and so does one
// with another query (P2). No component is left running and nothing is changed.
func TestP3_refusedAtStart(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	k := broker(t)
	schema := db.Database(t)
	dsn := db.DSN(schema)
	run := func(change func(*Config)) error {
		cfg := config(t, k.ListenAddrs()[0], dsn)
		change(&cfg)
		return start(t, cfg).wantEnd(t)
	}
	cfg := config(t, k.ListenAddrs()[0], dsn)
	p := start(t, cfg)
	if err := p.dial(t).Append(t.Context(), events("to be or not to be")); err != nil {
		t.Fatal(err)
	}
	await(t, "the record is counted", func() bool {
		_, body := p.get(t, "/api/v1/status")
		return strings.Contains(body, `"counted": 1`)
	})
	if code, states := p.standings(t); code != http.StatusOK || states["group"] != status.OK || states["mysql"] != status.OK {
		t.Errorf("readyz: %d %v; expected %v, states[\"group\"] %v and states[\"mysql\"] %v", code, states, http.StatusOK, status.OK, status.OK)
	}
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Fatal(err)
	}
	refused := map[string]func(*Config){
		`table words belongs to job "etl", this is job "other"`: func(c *Config) { c.Sink.Job = "other" },
		"counted by another query": func(c *Config) {
			opts := query.DefaultOptions()
			opts.Format = "words"
			plan, err := query.Compile("INSERT INTO words SELECT word, COUNT(*) AS n FROM events WHERE word <> 'x' GROUP BY word", opts)
			if err != nil {
				t.Fatal(err)
			}
			c.Plan = plan
		},
	}
	for text, change := range refused {
		if err := run(change); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, expected a refusal with %q", err, text)
		}
	}
	if err := db.Exec(schema, "DELETE FROM etl_checkpoint", "DELETE FROM etl_target"); err != nil {
		t.Fatal(err)
	}
	if err := run(func(*Config) {}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "table words holds rows") {
		t.Errorf("rows without a checkpoint: got %v; expected %v and an error that contains %q", err, checkpoint.ErrRefused, "table words holds rows")
	}
	if err := run(func(c *Config) {
		c.Sink.CreateTables = false
		c.Pool.DSN = db.DSN(db.Database(t))
	}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "there is no such table") {
		t.Errorf("missing tables: got %v; expected %v and an error that contains %q", err, checkpoint.ErrRefused, "there is no such table")
	}
}
