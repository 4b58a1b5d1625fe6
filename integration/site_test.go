//go:build integration

package integration

import (
	"cmp"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
)

const (
	job   = "fault"
	topic = "logs"
	// An idle transaction keeps its row locks for idleTransaction; a statement waits for a row lock for lockWait; the
	// read timeout for the server's replies is answer. The defaults are 10, 3 and 5 s.
	idleTransaction, answer, lockWait = "3s", "2s", "1s"
)

// site holds the servers for etl: a broker and a MariaDB in processes of their own, and a proxy in front of the latter.
type site struct {
	dir    string
	server *mariadbtest.Server
	db     *sql.DB // past the proxy
	schema string
	proxy  *mysqlproxy.Proxy
	broker *broker
	avro   string   // where the receiver listens
	query  string   // the query's file
	topics string   // what is loaded, if not topic
	more   []string // options of every process that loads
	every  []string // options of every process
}

func newSite(t *testing.T, server ...mariadbtest.Option) *site {
	t.Helper()
	return newSiteOn(t, startBroker(t), server...)
}

// newSiteOn returns a site with this broker.
func newSiteOn(t *testing.T, b *broker, server ...mariadbtest.Option) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), avro: etltest.FreeAddr(t), broker: b}
	var err error
	if s.server, err = mariadbtest.New(append(server, mariadbtest.Private())...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.schema, err = s.server.CreateDatabase(); err != nil {
		t.Fatal(err)
	}
	if s.db, err = sql.Open("mysql", s.server.DSN(s.schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if s.proxy, err = mysqlproxy.Start(s.server.Addr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.proxy.Close() })
	s.query = filepath.Join(s.dir, "query.sql")
	if err := os.WriteFile(s.query, []byte(faultQuery), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// start starts one etl: command is run, ingest or load.
func (s *site) start(t *testing.T, command, failpoint string) *etltest.Process {
	t.Helper()
	args := []string{
		command, "--log-level=debug",
		"--kafka-brokers=" + s.broker.addr, "--kafka-topic=" + cmp.Or(s.topics, topic),
		"--kafka-partitions=6", "--kafka-replication=1",
	}
	if command != "load" {
		args = append(args, "--avro-listen="+s.avro)
	}
	if command != "ingest" {
		args = append(args,
			// A frozen process can delay a rebalance by up to the rebalance timeout.
			"--job="+job, "--kafka-session-timeout=6s", "--kafka-rebalance-timeout=8s",
			"--mysql-dsn="+mariadbtest.User+":"+mariadbtest.Password+"@tcp("+s.proxy.Addr()+")/"+s.schema,
			"--mysql-idle-transaction="+idleTransaction, "--mysql-answer-timeout="+answer, "--mysql-lock-wait="+lockWait,
			"--format=combined", "--query-file="+s.query, "--batch-interval=200ms", "--tasks=2")
		args = append(args, s.more...)
	}
	args = append(args, s.every...)
	return etltest.Start(t, etlBinary, s.dir, failpoint, args...)
}

// drained reports whether every record of the topic is counted.
func (s *site) drained(ctx context.Context, t *testing.T) bool {
	t.Helper()
	checkpoints := readCheckpoints(ctx, t, s.db, job)
	for p, end := range s.broker.ends(ctx, t, topic) {
		if checkpoints[p].Next != end {
			return false
		}
	}
	return true
}

// counted returns how many records have a fate, 0 if the server is unreachable.
func (s *site) counted(ctx context.Context) (n int64) {
	_ = s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(next_offset - first_offset), 0) FROM etl_checkpoint").Scan(&n)
	return n
}

// lowestEpoch returns the smallest epoch of all partitions, which has increased once every partition was claimed again.
func (s *site) lowestEpoch(ctx context.Context) (n int64) {
	_ = s.db.QueryRowContext(ctx, "SELECT COALESCE(MIN(epoch), 0) FROM etl_checkpoint").Scan(&n)
	return n
}

// members returns how many members the group has, 0 during a rebalance.
func (s *site) members(ctx context.Context, t *testing.T) int {
	t.Helper()
	cl := s.broker.client(t)
	defer cl.Close()
	described, err := kadm.NewClient(cl).DescribeGroups(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	if described[job].State != "Stable" {
		return 0
	}
	return len(described[job].Members)
}

// finish ends the load, waits until everything is counted, and compares. Then it kills every process, starts one, waits
// until that one has claimed every partition, and compares again.
func (s *site) finish(ctx context.Context, t *testing.T, l *load, sent <-chan error, running ...*etltest.Process) {
	t.Helper()
	l.hurry()
	select {
	case err := <-sent:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatalf("the load did not end: %v", context.Cause(ctx))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	tr := readTruth(ctx, t, s.broker, topic)
	lost, extra := tr.missing(l)
	if len(lost) > 0 {
		t.Errorf("%d events got OK and are not in Kafka, expected 0: %v…", len(lost), lost[:min(len(lost), 10)])
	}
	t.Logf("%d events got OK; %d records in Kafka, %d of them duplicates; %d requests sent again",
		l.answered.Load(), tr.total, extra, l.resent.Load())
	compare(ctx, t, s.db, tr)

	for _, p := range running {
		p.Kill(t)
	}
	epoch := s.lowestEpoch(ctx)
	last := s.start(t, "run", "")
	etltest.Await(ctx, t, "every partition is claimed again", func() bool { return s.lowestEpoch(ctx) > epoch })
	etltest.Await(ctx, t, "everything is counted after the restart", func() bool { return s.drained(ctx, t) })
	compare(ctx, t, s.db, tr)
	last.Stop(ctx, t)
}
