//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// TestP1_TwoDatabasesOneGroup starts a second etl with the same --job and Kafka and another server. It exits with code
// 3 and both servers' addresses, and the first one counts everything as if there had been no second. Then the second
// server becomes a copy of the first: it is accepted, as operations.md says, until its identity is deleted.
func TestP1_TwoDatabasesOneGroup(t *testing.T) {
	const records = 600 // of each of 6 partitions, before and after
	ctx := etltest.Bounded(t, 4*time.Minute)
	s := newSite(t)
	if err := os.WriteFile(s.query, []byte("INSERT INTO seen SELECT status, COUNT(*) AS n FROM events GROUP BY status"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	epoch := s.lowestEpoch(ctx)
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	for id := range int32(6) {
		put(ctx, t, cl, id, records, statusLine(200))
	}

	staging, err := mariadbtest.New(mariadbtest.Private())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = staging.Close() })
	if err := staging.Exec("", "CREATE DATABASE "+s.schema); err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		code, text := s.startAt(ctx, staging.Addr(), "load")
		if code != 3 {
			t.Fatalf("%s: exit code %d, expected 3:\n%s", what, code, text)
		}
		for _, want := range []string{s.proxy.Addr() + "/" + s.schema, staging.Addr() + "/" + s.schema, "counts into another database", "--job"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the error does not contain %q:\n%s", what, want, text)
			}
		}
		if strings.Contains(text, mariadbtest.Password+"@") {
			t.Errorf("%s: the password is printed:\n%s", what, text)
		}
	}
	refused("another server")
	for id := range int32(6) {
		put(ctx, t, cl, id, records, statusLine(200))
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	if n := readNumber(ctx, s.db, "SELECT n FROM seen WHERE status = 200"); n != 6*2*records {
		t.Errorf("the first counted %d, expected %d", n, 6*2*records)
	}
	if got := s.lowestEpoch(ctx); got != epoch {
		t.Errorf("the epoch was %d and is %d; expected no change, because the other process was refused", epoch, got)
	}
	if !first.Ready(ctx) {
		t.Error("the first is not ready")
	}

	for _, table := range []string{"etl_checkpoint", "etl_target", "etl_dead_letter", "seen"} {
		if err := copyTable(s.server, staging, s.schema, table); err != nil {
			t.Fatal(err)
		}
	}
	if code, text := s.startAt(ctx, staging.Addr(), "check"); code != 0 || !strings.Contains(text, "a member loads into this database") {
		t.Errorf("etl check of a copy with its original's identity: exit code %d; expected 0 and it to contain %q\n%s", code, "a member loads into this database", text)
	}
	if err := staging.Exec(s.schema, "DELETE FROM etl_target WHERE table_name = ''"); err != nil {
		t.Fatal(err)
	}
	refused("a copy whose identity was deleted")
	first.Stop(ctx, t)
}

// startAt runs an etl command that is expected to exit, with another server, and returns its exit code and output.
func (s *site) startAt(ctx context.Context, server, command string) (code int, output string) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, etlBinary, command, "--kafka-brokers="+s.broker.addr, "--kafka-topic="+topic, "--job="+job,
		"--kafka-session-timeout=6s", "--kafka-rebalance-timeout=8s", "--mysql-idle-transaction="+idleTransaction,
		"--mysql-answer-timeout="+answer, "--mysql-lock-wait="+lockWait, "--kafka-partitions=6", "--kafka-replication=1",
		"--mysql-dsn="+mariadbtest.User+":"+mariadbtest.Password+"@tcp("+server+")/"+s.schema,
		"--format=combined", "--query-file="+s.query)
	if command == "load" {
		cmd.Args = append(cmd.Args, "--admin-listen=127.0.0.1:0")
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, fmt.Sprint(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// copyTable copies a table from one server to another, where it may exist already.
func copyTable(from, to *mariadbtest.Server, schema, table string) error {
	dump := exec.Command("mariadb-dump", "--no-defaults", "--socket="+from.Socket(), "--user="+mariadbtest.User,
		"--password="+mariadbtest.Password, schema, table)
	text, err := dump.Output()
	if err != nil {
		return fmt.Errorf("dump %s: %w", table, err)
	}
	load := exec.Command("mariadb", "--no-defaults", "--socket="+to.Socket(), "--user="+mariadbtest.User,
		"--password="+mariadbtest.Password, schema)
	load.Stdin = strings.NewReader(string(text))
	if out, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("load %s: %w: %s", table, err, out)
	}
	return nil
}
