//go:build integration

package integration

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// The query of the Flume test: the count of each status per minute, and the count of each file, by a header that the
// agent adds to its events.
const (
	flumeQuery = `INSERT INTO hits
SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, status, COUNT(*) AS hits, COUNT(bytes) AS sized, SUM(bytes) AS bytes
FROM events GROUP BY minute, status;
INSERT INTO files SELECT COALESCE(header('basename'), '') AS file, COUNT(*) AS line_count FROM events GROUP BY file;
`
	selectFlumeHits  = "SELECT DATE_FORMAT(minute, '%d %H:%i'), status, hits, sized, bytes FROM hits"
	selectFlumeFiles = "SELECT file, line_count FROM files"

	flumeFiles, flumeLines = 5, 5_000 // lines in each
	earlyFiles             = 3        // are there when etl is killed; the agent is killed while it reads the others
)

// flumeSite holds the servers for one version's agent and its etl.
type flumeSite struct {
	dir, topic, job string
	schema          string
	avro            string
	kafka           *realKafka
	server          *mariadbtest.Server
	db              *sql.DB
}

// flumeVersions are the two release lines of Flume in use: Avro 1.7 on Netty 3, and Avro 1.11 on Netty 4.
var flumeVersions = []jvmtest.Set{jvmtest.Flume19, jvmtest.Flume111}

// TestReal_FlumeToMySQL runs end to end without any imitation: a Flume agent reads files into its file channel and
// sends them with its Avro sink to etl, through Kafka, to MariaDB; etl and the agent are killed meanwhile.
func TestReal_FlumeToMySQL(t *testing.T) {
	jvmtest.Need(t, append(flumeVersions, jvmtest.Kafka)...)
	rnd := seed(t)
	kafka, server := startServers(t)
	t.Run("versions", func(t *testing.T) {
		for _, version := range flumeVersions {
			t.Run(string(version), func(t *testing.T) {
				t.Parallel()
				newFlumeSite(t, string(version), kafka, server).run(t, version, rnd)
			})
		}
	})
}

func startServers(t *testing.T) (*realKafka, *mariadbtest.Server) {
	t.Helper()
	server, err := mariadbtest.New(mariadbtest.Private())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &realKafka{Broker: jvmtest.StartBroker(t)}, server
}

func newFlumeSite(t *testing.T, name string, kafka *realKafka, server *mariadbtest.Server) *flumeSite {
	t.Helper()
	s := &flumeSite{dir: t.TempDir(), topic: name, job: "job-" + name, avro: etltest.FreeAddr(t), kafka: kafka, server: server}
	var err error
	if s.schema, err = server.CreateDatabase(); err != nil {
		t.Fatal(err)
	}
	if s.db, err = sql.Open("mysql", server.DSN(s.schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	return s
}

// start starts an etl that counts events of the format with the query; more are additional options.
func (s *flumeSite) start(t *testing.T, format, query string, more ...string) *etltest.Process {
	t.Helper()
	return etltest.Start(t, etlBinary, s.dir, "", append([]string{
		"run", "--kafka-brokers=" + s.kafka.Addr(), "--kafka-topic=" + s.topic, "--kafka-partitions=4", "--kafka-session-timeout=6s",
		"--avro-listen=" + s.avro, "--job=" + s.job, "--format=" + format, "--query=" + query,
		"--mysql-dsn=" + mariadbtest.User + ":" + mariadbtest.Password + "@tcp(" + s.server.Addr() + ")/" + s.schema,
		"--mysql-idle-transaction=" + idleTransaction, "--mysql-answer-timeout=" + answer, "--mysql-lock-wait=" + lockWait,
		"--batch-interval=200ms", "--tasks=2",
	}, more...)...)
}

func (s *flumeSite) run(t *testing.T, version jvmtest.Set, rnd uint64) {
	ctx := etltest.Bounded(t, 3*time.Minute)
	in := etltest.NewSpool(t)
	host, port, _ := net.SplitHostPort(s.avro)
	agent := jvmtest.StartAgent(t, version, in.Properties(
		"sources=s", "channels=c", "sinks=k",
		"sources.s.type=spooldir", "sources.s.channels=c", "sources.s.spoolDir={dir}/in",
		"sources.s.basenameHeader=true", "sources.s.interceptors=i1 i2",
		"sources.s.interceptors.i1.type=timestamp", "sources.s.interceptors.i2.type=host",
		"channels.c.type=file", "channels.c.checkpointDir={dir}/checkpoint", "channels.c.dataDirs={dir}/data",
		"channels.c.minimumRequiredSpace=1048576",
		"sinks.k.type=avro", "sinks.k.channel=c", "sinks.k.hostname="+host, "sinks.k.port="+port, "sinks.k.batch-size=100",
	))
	etl := s.start(t, "combined", flumeQuery)
	etltest.Await(ctx, t, "etl is ready", func() bool { return etl.Ready(ctx) })

	watch, over := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { t.Logf("the audit balanced at %d instants", audit(watch, t, s.db)) })
	defer func() {
		over()
		watching.Wait()
	}()

	began := time.Now()
	made := accesslog.New(rnd)
	put := func(first, next int) {
		var text []byte
		for f := first; f < next; f++ {
			text = text[:0]
			for n := f * flumeLines; n < (f+1)*flumeLines; n++ {
				text = accesslog.Append(text, made, n)
				text = fmt.Appendf(text, " line-%d\n", n) // which line it is; behind the last field nothing is looked at
			}
			in.Put(t, fmt.Sprintf("access-%d.log", f), text)
		}
	}
	put(0, earlyFiles)

	counted := func() (n int64) {
		_ = s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(counted), 0) FROM etl_checkpoint WHERE job = ?", s.job).Scan(&n)
		return n
	}
	const all = flumeFiles * flumeLines
	etltest.Await(ctx, t, "some lines are counted", func() bool { return counted() > 1_000 })
	etl.Kill(t)
	at := counted()
	etl = s.start(t, "combined", flumeQuery)
	etltest.Await(ctx, t, "more lines are counted by the second etl", func() bool { return counted() > at+1_000 })
	put(earlyFiles, flumeFiles)
	read := 0
	etltest.Await(ctx, t, "the agent reads the last files", func() bool {
		counters, _ := agent.Counters(ctx)
		read, _ = strconv.Atoi(counters["SOURCE.s"]["EventAcceptedCount"])
		return read > earlyFiles*flumeLines
	})
	if err := agent.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Logf("etl was killed with %d of %d lines counted; the agent with %d counted and %d read", at, all, counted(), read)
	if err := agent.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "the agent has read and sent everything", func() bool {
		if in.Completed(t) < flumeFiles {
			return false
		}
		counters, err := agent.Counters(ctx)
		return err == nil && counters["CHANNEL.c"]["ChannelSize"] == "0" &&
			counters["SINK.k"]["EventDrainAttemptCount"] == counters["SINK.k"]["EventDrainSuccessCount"]
	})
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	t.Logf("%d lines in %v", all, time.Since(began).Round(time.Millisecond))
	s.compare(ctx, t)
	etl.Stop(ctx, t)
}

// ends returns the end offset of each partition.
func (s *flumeSite) ends(ctx context.Context, t *testing.T) map[int32]int64 {
	t.Helper()
	cl := s.kafka.client(t)
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListEndOffsets(ctx, s.topic)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int32]int64{}
	for p, o := range listed[s.topic] {
		ends[p] = o.Offset
	}
	return ends
}

func (s *flumeSite) drained(ctx context.Context, t *testing.T) bool {
	t.Helper()
	checkpoints := readCheckpoints(ctx, t, s.db, s.job)
	for p, end := range s.ends(ctx, t) {
		if checkpoints[p].Next != end {
			return false
		}
	}
	return true
}

// accessLine is host ident user [time] "request" status bytes "referer" "agent" line-n.
var accessLine = regexp.MustCompile(`^(\S+) \S+ .*? \[(\d\d)/Mar/2026:(\d\d:\d\d):\d\d \+0000\] "(?:[^"\\]|\\.)*" (\d{3}) (\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*" line-(\d+)$`)

// compare compares the tables exactly with the topic, and the topic with the files: every line must be in it.
func (s *flumeSite) compare(ctx context.Context, t *testing.T) {
	t.Helper()
	type sums struct{ hits, sized, bytes int64 }
	hits, files, lines, ends := map[string]sums{}, map[string]int64{}, map[string]int{}, map[int32]int64{}
	for _, r := range s.kafka.readTopic(ctx, t, s.topic) {
		ends[r.Partition]++
		m := accessLine.FindStringSubmatch(string(r.Value))
		if m == nil {
			t.Fatalf("the topic holds a line that the agent never read: %q", r.Value)
		}
		key := m[2] + " " + m[3] + " " + m[4]
		h := hits[key]
		h.hits++
		if m[5] != "-" {
			h.sized++
			h.bytes += number(m[5])
		}
		hits[key] = h
		lines[m[6]]++
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		files[headers["basename"]]++
		if at := number(headers["timestamp"]); headers["host"] == "" || time.Since(time.UnixMilli(at)) > time.Hour || len(headers) != 3 {
			t.Fatalf("the record at %d/%d has the headers %v; expected 3 headers, one of them a host that is not empty, and a timestamp of the last %v", r.Partition, r.Offset, headers, time.Hour)
		}
	}
	for n := range flumeFiles * flumeLines {
		if lines[strconv.Itoa(n)] == 0 {
			t.Errorf("line %d was read by the agent and is not in Kafka", n)
		}
	}
	total := int64(0)
	want := map[int32]checkpointRow{}
	for p, n := range ends {
		want[p] = checkpointRow{Next: n, Counted: n}
		total += n
	}
	t.Logf("%d lines, %d records, %d of them duplicates", len(lines), total, total-int64(len(lines)))
	wantHits, wantFiles := map[string]string{}, map[string]string{}
	for key, h := range hits {
		bytes := "NULL"
		if h.sized > 0 {
			bytes = strconv.FormatInt(h.bytes, 10)
		}
		wantHits[key] = fmt.Sprint(h.hits, h.sized) + " " + bytes
	}
	for name, n := range files {
		wantFiles[name] = strconv.FormatInt(n, 10)
	}
	if len(files) != flumeFiles {
		t.Errorf("the records are of the files %v, expected %v elements", files, flumeFiles)
	}
	differ(t, "hits", wantHits, readTable(ctx, t, s.db, selectFlumeHits, 2))
	differ(t, "files", wantFiles, readTable(ctx, t, s.db, selectFlumeFiles, 1))
	if diff := cmp.Diff(want, readCheckpoints(ctx, t, s.db, s.job)); diff != "" {
		t.Errorf("etl_checkpoint against the topic (-expected +got):\n%s", diff)
	}
}
