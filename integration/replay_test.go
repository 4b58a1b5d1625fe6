//go:build integration

package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// replay runs etl replay with these options until it exits.
func (s *site) replay(ctx context.Context, point string, options ...string) (output string, err error) {
	args := append([]string{
		"replay", "--kafka-brokers=" + s.broker.addr, "--kafka-topic=" + topic, "--job=" + job,
		"--kafka-session-timeout=6s", "--kafka-rebalance-timeout=8s", "--kafka-lag-interval=100ms",
		"--mysql-dsn=" + mariadbtest.User + ":" + mariadbtest.Password + "@tcp(" + s.proxy.Addr() + ")/" + s.schema,
		"--mysql-idle-transaction=" + idleTransaction, "--mysql-answer-timeout=" + answer, "--mysql-lock-wait=" + lockWait,
		"--format=combined", "--query-file=" + s.query, "--batch-interval=100ms", "--tasks=2", "--max-batch-records=500",
	}, options...)
	cmd := exec.CommandContext(ctx, etlBinary, args...)
	cmd.Env = append(os.Environ(), "SLUICE_FAILPOINT="+point)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// isKilled reports whether a process was killed by SIGKILL, which its failpoint sends.
func isKilled(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// readRows reads a table as text, in order.
func readRows(ctx context.Context, t *testing.T, db *sql.DB, columns, table string) string {
	t.Helper()
	rows, err := db.QueryContext(ctx, "SELECT CONCAT_WS(',', "+columns+") AS r FROM "+table+" ORDER BY r")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out strings.Builder
	for rows.Next() {
		var r string
		if err := rows.Scan(&r); err != nil {
			t.Fatal(err)
		}
		out.WriteString(r + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// swapPoints are the failpoints of --swap.
var swapPoints = []string{failpoint.Held, failpoint.Renaming, failpoint.Renamed, failpoint.Swapped}

// A replay that is killed at every failpoint of the loader, and resumed each time, gives the rows of the live job, which
// runs all the time. Only the live job changes its checkpoints.
func TestReplay_KilledAtEveryFailpoint(t *testing.T) {
	ctx := etltest.Bounded(t, 5*time.Minute)
	rnd := seed(t)
	r := rand.New(rand.NewPCG(rnd, 1))
	s := newSite(t)
	const query = "REPLACE INTO pages SELECT path, status, COUNT(*) AS n, SUM(bytes) AS bytes, COUNT(DISTINCT host) AS hosts, APPROX_PERCENTILE(bytes, 0.9) AS p FROM events GROUP BY path"
	if err := os.WriteFile(s.query, []byte(query), 0o600); err != nil {
		t.Fatal(err)
	}
	s.proxy.Commits(tenthCommit(rnd))
	s.more = []string{"--recheck=1s"}
	live := s.start(t, "load", "")
	etltest.Await(ctx, t, "every partition is claimed", func() bool { return s.lowestEpoch(ctx) > 0 })
	cl := s.broker.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	for n := range 20_000 {
		line := fmt.Sprintf(`10.0.0.%d - - [21/Nov/2026:10:00:00 +0000] "GET /%d HTTP/1.1" %d %d "-" "-"`, r.IntN(30), r.IntN(50), 200+r.IntN(5), r.IntN(100_000))
		if n%100 == 0 {
			line = "no line of an access log"
		}
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(r.IntN(6)), Value: []byte(line)}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "everything is counted", func() bool { return s.drained(ctx, t) })
	epochs := "SELECT SUM(epoch) FROM etl_checkpoint WHERE job = '" + job + "'"
	before := readNumber(ctx, s.db, epochs)

	points := []string{
		failpoint.Polled, failpoint.Folded, failpoint.Fenced, failpoint.Upserting, failpoint.BeforeCommit,
		failpoint.CommitWritten, failpoint.CommitDone, failpoint.BeforeMirror, failpoint.ClaimOpen, failpoint.ClaimDone,
	}
	r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	// Each start has two tasks, which commit at most twice 500 records before a second hit. So records are left for all.
	for _, point := range points {
		at := fmt.Sprint(point, ":kill:", 1+r.IntN(2))
		if out, err := s.replay(ctx, at, "--from=earliest", "--into=pages_again"); !isKilled(err) {
			t.Fatalf("%s: not killed: %v\n%s", at, err, out)
		}
	}
	if out, err := s.replay(ctx, "", "--from=earliest", "--into=pages_again"); err != nil || !strings.Contains(out, "is finished: its rows are in pages_again") {
		t.Errorf("the last start: %v\n%s", err, out)
	}
	const columns = "path, COALESCE(status, 'NULL'), n, COALESCE(bytes, 'NULL'), hosts, COALESCE(p, 'NULL'), HEX(hosts__state), HEX(p__state), HEX(etl__last)"
	if got, want := readRows(ctx, t, s.db, columns, "pages_again"), readRows(ctx, t, s.db, columns, "pages"); got != want || got == "" {
		t.Errorf("replayed, the rows are\n%s\nlive they are\n%s", got, want)
	}
	if after := readNumber(ctx, s.db, epochs); after != before {
		t.Errorf("the epochs of the live job went from %d to %d while it was replayed, expected no claim", before, after)
	}
	out, err := s.replay(ctx, "", "--from=earliest", "--into=pages_again")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(out, "is finished") {
		t.Errorf("a start of a finished replay: %v, expected exit code 3\n%s", err, out)
	}

	// The tables are swapped beside the job, with a crash at each step. Wrong rows show that they are replaced.
	if _, err := s.db.ExecContext(ctx, "UPDATE pages SET n = n + 1000000"); err != nil {
		t.Fatal(err)
	}
	for _, point := range swapPoints {
		if out, err := s.replay(ctx, point+":kill", "--from=earliest", "--into=pages_swapped", "--swap"); !isKilled(err) {
			t.Fatalf("%s: not killed: %v\n%s", point, err, out)
		}
		if point == failpoint.Held { // cancelled, and begun again
			if out, err := s.replay(ctx, "", "--from=earliest", "--into=pages_swapped"); err == nil || !strings.Contains(out, "is finished") {
				t.Fatalf("giving up the swap: %v\n%s", err, out)
			}
		}
	}
	if out, err := s.replay(ctx, "", "--from=earliest", "--into=pages_swapped", "--swap"); err != nil || !strings.Contains(out, "is finished: its rows are in pages\n") {
		t.Fatalf("the swap: %v\n%s", err, out)
	}
	if got, want := readRows(ctx, t, s.db, columns, "pages"), readRows(ctx, t, s.db, columns, "pages_again"); got != want {
		t.Errorf("after the swap the rows are\n%s\nexpected\n%s", got, want)
	}
	put(ctx, t, cl, 0, 500, statusLine(200)) // the job resumes by itself
	etltest.Await(ctx, t, "the job has counted what came after the swap", func() bool { return s.drained(ctx, t) })
	if n := readNumber(ctx, s.db, "SELECT n FROM pages WHERE path = '/x'"); n != 500 {
		t.Errorf("the job counted %d records after the swap, expected 500", n)
	}
	live.Stop(ctx, t)
}
