//go:build integration

package flume

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// The query of every kind: the count of each status per minute.
const (
	hitsQuery  = "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, status, COUNT(*) AS hits FROM events GROUP BY minute, status"
	selectHits = "SELECT DATE_FORMAT(minute, '%d/%b/%Y:%H:%i'), status, hits FROM hits"
)

// The number of lines per file, and the minimum number of files.
const fileLines, leastFiles = 5_000, 4

// logVariable may name a file of access-log lines in the combined format, which are sent instead of generated ones.
const logVariable = "SLUICE_ACCESS_LOG"

// servers are shared by all kinds.
type servers struct {
	etl     string // the program
	broker  *jvmtest.Broker
	mariadb *mariadbtest.Server
	lines   []string // each ends with " line-N", N its index
}

func startServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{etl: filepath.Join(t.TempDir(), "etl"), broker: jvmtest.StartBroker(t), lines: accessLines(t)}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.etl, "../../cmd/etl").CombinedOutput()
	if err != nil {
		t.Fatalf("build cmd/etl: %v\n%s", err, out)
	}
	if s.mariadb, err = mariadbtest.New(mariadbtest.Private()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.mariadb.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// accessLines returns the lines of logVariable's file, or 20,000 generated ones.
func accessLines(t *testing.T) (lines []string) {
	t.Helper()
	const least = fileLines * leastFiles
	if name := os.Getenv(logVariable); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
			lines = append(lines, fmt.Sprintf("%s line-%d", scan.Text(), len(lines)))
		}
		if len(lines) < least {
			t.Fatalf("%s=%s has %d lines, need %d", logVariable, name, len(lines), least)
		}
		return lines
	}
	made := accesslog.New(1)
	for n := range least {
		lines = append(lines, fmt.Sprintf("%s line-%d", accesslog.Append(nil, made, n), n))
	}
	return lines
}

// site holds the servers and addresses for one kind.
type site struct {
	*servers
	dir, topic, schema string
	db                 *sql.DB
	spool              etltest.Spool
	// listen are the addresses of the receivers of its etl processes, or of the agent's sinks that etl polls.
	listen []string
	certs  certs
}

func (s *servers) site(t *testing.T, name string, etls int) *site {
	t.Helper()
	w := &site{servers: s, dir: t.TempDir(), topic: regexp.MustCompile(`[^a-zA-Z0-9.]+`).ReplaceAllString(name, "-"), spool: etltest.NewSpool(t), certs: newCerts(t, "elsewhere.example")}
	for range etls {
		w.listen = append(w.listen, etltest.FreeAddr(t))
	}
	var err error
	if w.schema, err = s.mariadb.CreateDatabase(); err != nil {
		t.Fatal(err)
	}
	if w.db, err = sql.Open("mysql", s.mariadb.DSN(w.schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	return w
}

// start starts an etl that counts; more are additional options.
func (s *site) start(t *testing.T, more []string) *etltest.Process {
	t.Helper()
	return etltest.Start(t, s.etl, s.dir, "", append([]string{
		"run", "--kafka-brokers=" + s.broker.Addr(), "--kafka-topic=" + s.topic, "--kafka-partitions=4", "--kafka-session-timeout=6s",
		"--job=" + s.topic, "--format=combined", "--query=" + hitsQuery,
		"--mysql-dsn=" + mariadbtest.User + ":" + mariadbtest.Password + "@tcp(" + s.mariadb.Addr() + ")/" + s.schema,
		"--batch-interval=200ms", "--tasks=2",
	}, more...)...)
}

// put gives the agent the files first..next-1.
func (s *site) put(t *testing.T, first, next int) {
	t.Helper()
	for f := first; f < next; f++ {
		text := strings.Join(s.lines[f*fileLines:min((f+1)*fileLines, len(s.lines))], "\n") + "\n"
		s.spool.Put(t, fmt.Sprintf("access-%d.log", f), []byte(text))
	}
}

// counted returns how many records have a fate, 0 if the server or the table is not available.
func (s *site) counted(ctx context.Context) (n int64) {
	_ = s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(next_offset - first_offset), 0) FROM etl_checkpoint").Scan(&n)
	return n
}

var lineNumber = regexp.MustCompile(` line-(\d+)$`)

// records reads the topic with a plain client, and returns how often each line is in it and the number of its records.
func (s *site) records(ctx context.Context, t *testing.T) (copies []int, total int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Addr()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var ends kadm.ListedOffsets
	if !etltest.Within(30*time.Second, func() bool { // on a busy machine the broker may lose its session for a moment
		ends, err = kadm.NewClient(cl).ListEndOffsets(ctx, s.topic)
		if err == nil {
			err = ends.Error()
		}
		return err == nil
	}) {
		t.Fatal(err)
	}
	from := map[int32]kgo.Offset{}
	for p, o := range ends[s.topic] {
		if total += o.Offset; o.Offset > 0 {
			from[p] = kgo.NewOffset().AtStart()
		}
	}
	copies = make([]int, len(s.lines))
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: from})
	for read := int64(0); read < total; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %d of %d records: %v", s.topic, read, total, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if ends[s.topic][r.Partition].Offset <= r.Offset {
				return // written since
			}
			read++
			m := lineNumber.FindSubmatch(r.Value) // the body is the end of Flume's value, too
			if m == nil {
				t.Fatalf("the topic holds a line that the agent never read: %q", r.Value)
			}
			n, err := strconv.Atoi(string(m[1]))
			if err != nil || n >= len(copies) {
				t.Fatalf("the topic holds a line that the agent never read: %q", r.Value)
			}
			copies[n]++
		})
	}
	return copies, total
}

// accessLine is … [day/month/year:hour:minute:… +0000] "request" status ….
var accessLine = regexp.MustCompile(`\[(\d\d/\w\w\w/\d{4}:\d\d:\d\d):\d\d \+0000\] "(?:[^"\\]|\\.)*" (\d{3}) `)

// compare compares MySQL with the topic, and the topic with the files: every line must be in it. With dedup, each line
// is counted once, otherwise as often as it is in the topic.
func (s *site) compare(ctx context.Context, t *testing.T, dedup bool) {
	t.Helper()
	copies, total := s.records(ctx, t)
	want, missing := map[string]int64{}, 0
	for n, times := range copies {
		if times == 0 {
			missing++
			continue
		}
		if dedup {
			times = 1
		}
		m := accessLine.FindStringSubmatch(s.lines[n])
		if m == nil {
			t.Fatalf("not an access-log line: %s", s.lines[n])
		}
		want[m[1]+" "+m[2]] += int64(times)
	}
	t.Logf("%d lines, %d records, %d of them duplicates", len(copies)-missing, total, total-int64(len(copies)-missing))
	if missing > 0 {
		t.Errorf("%d of %d lines were read by the agent and are not in Kafka, expected 0", missing, len(copies))
	}
	got := map[string]int64{}
	rows, err := s.db.QueryContext(ctx, selectHits)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var minute, status string
		var hits int64
		if err := rows.Scan(&minute, &status, &hits); err != nil {
			t.Fatal(err)
		}
		got[minute+" "+status] = hits
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(want, got) {
		t.Errorf("hits (-expected +got):\n%.2000s", cmp.Diff(want, got))
	}
	var unbalanced int64
	if err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM etl_checkpoint
WHERE next_offset - first_offset <> counted + filtered + dead + gaps + duplicates + skipped`).Scan(&unbalanced); err != nil || unbalanced != 0 {
		t.Errorf("the audit of %d partitions does not balance, %v; expected 0 and no error", unbalanced, err)
	}
}
