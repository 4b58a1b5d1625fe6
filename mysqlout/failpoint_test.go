//go:build failpoint

package mysqlout

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// The process is killed at each failpoint of this package and of pool. The next claim finds all of the batch or
// nothing.
func TestFailpoints_allOrNothing(t *testing.T) {
	if dsn := os.Getenv("SLUICE_TEST_VICTIM"); dsn != "" {
		victim(t, dsn)
		return
	}
	server := mariadbtest.Start(t)
	table := sqltest.CountsTable()
	for point, want := range map[string]string{
		failpoint.ClaimOpen:     "",
		failpoint.Fenced:        "0 0 NULL",
		failpoint.Upserting:     "0 0 NULL",
		failpoint.BeforeCommit:  "0 0 NULL",
		failpoint.CommitWritten: "3 3 3",
		failpoint.CommitDone:    "3 3 3",
	} {
		t.Run(point, func(t *testing.T) {
			f := open(t, server, testConfig(), table)
			n := "1"
			if point == failpoint.CommitWritten {
				n = "2" // the first is the claim's
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestFailpoints_allOrNothing$")
			cmd.Env = append(os.Environ(), "SLUICE_TEST_VICTIM="+server.DSN(f.Name), "SLUICE_FAILPOINT="+point+":kill:"+n)
			out, err := cmd.CombinedOutput()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if err == nil || !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended with %v: %s; expected the signal %v", err, out, syscall.SIGKILL)
			}
			if !strings.Contains(string(out), "failpoint "+point) {
				t.Fatalf("the process was killed at another point: %s, expected it to contain %q", out, "failpoint "+point)
			}
			at := mustClaim(t, f.sink, 0)
			got := f.Text(t, "SELECT next_offset, counted, (SELECT n FROM counts) FROM etl_checkpoint WHERE partition_id = 0")
			if want != "" && got != want {
				// COMMIT is in the socket, but the server may notice the closed connection before it reads it.
				if point != failpoint.CommitWritten || got != "0 0 NULL" {
					t.Errorf("offset, audit and count are %s, expected %s", got, want)
				}
			}
			if want == "" && at[0].Epoch != 1 {
				t.Errorf("epoch is %d: a claim that was not committed has changed something", at[0].Epoch)
			}
		})
	}
}

func victim(t *testing.T, dsn string) {
	p := pool.New(sqltest.Quick(dsn), nil, nil)
	s := New(testConfig(), p, nil, nil)
	table := sqltest.CountsTable()
	if _, err := s.Prepare(t.Context(), []row.Table{table}); err != nil {
		t.Fatal(err)
	}
	at := mustClaim(t, s, 0)
	if err := s.Commit(t.Context(), taskBatch(1, 3, countsDelta(&table, map[string]int64{"a": 3}), at...)); err != nil {
		t.Fatal(err)
	}
	t.Fatal("the process was not killed")
}
