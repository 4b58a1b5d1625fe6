//go:build integration

package integration

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/containertest"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
)

// inContainers are the packages whose tests run against each image, without the tests that use a server of their own
// whatever ETL_TEST_DSN is, and one test that must have run.
var inContainers = []struct{ pkg, run, skip, must string }{
	{
		"mysqlout", "", "^(TestE10_P12_RestoredToAnOlderState|TestSinktest_embedded|TestFailpoints_allOrNothing)$",
		"TestSinktest_mariadb/P9_commitMovesRowsAndCheckpoint",
	},
	{
		"mysqlout/schema", "", "^(TestDDL_createdTablesPassCheck|TestCheck_adviceWithoutExplicitDefaults|TestCheck_withoutGrantTables)$",
		"TestCheck_adviceFixesTheTable",
	},
	{"mysqlout/ledger", "", "^TestP1_identityEmbedded$", "TestP1_oneIdentityPerDatabase"},
	{"query", "^TestExpressions_matchTheServer$", "", "TestExpressions_matchTheServer"},
	{"internal/app", "^TestCheck$", "", "TestCheck"},
}

// TestContainer_MySQL runs the tests of mysqlout and its packages against each MySQL and MariaDB with an image: the
// conformance suite of sinks and the tests of the protocol's rules and of each error number. It also compares query's
// expressions with the server's, and checks the output of etl check.
func TestContainer_MySQL(t *testing.T) {
	containertest.Check(t, containertest.Engine())
	dir := t.TempDir()
	binary := func(pkg string) string { return filepath.Join(dir, strings.ReplaceAll(pkg, "/", "-")+".test") }
	for _, tests := range inContainers {
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary(tests.pkg), "../"+tests.pkg)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the tests of %s: %v\n%s", tests.pkg, err, out)
		}
	}
	for _, image := range containertest.MySQLImages() {
		t.Run(image, func(t *testing.T) {
			server := startMySQL(t, image)
			for _, tests := range inContainers {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, binary(tests.pkg), "-test.v", "-test.timeout=3m", "-test.run="+tests.run, "-test.skip="+tests.skip)
				cmd.Dir = filepath.Join("..", tests.pkg)
				cmd.Env = append(os.Environ(), "ETL_TEST_DSN="+server.DSN(""), "ETL_TEST_REQUIRE_MYSQL=1")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v\n%s", tests.pkg, err, out[max(0, len(out)-20_000):])
					continue
				}
				if !regexp.MustCompile(`--- (PASS|SKIP): ` + tests.must + ` `).Match(out) {
					t.Errorf("%s: %s did not run", tests.pkg, tests.must)
				}
				for line := range strings.Lines(string(out)) {
					if _, why, is := strings.Cut(line, "NOT RUN: "); is {
						t.Logf("NOT RUN: %s: %s", image, strings.TrimSpace(why))
					}
				}
				t.Logf("%s: %d tests passed", tests.pkg, bytes.Count(out, []byte("--- PASS: ")))
			}
		})
	}
}

// TestContainer_EndToEnd sends events through etl and a Kafka in a container to a MySQL in a container, with one COMMIT
// in ten lost or its reply dropped, and compares the counts with the records in Kafka.
func TestContainer_EndToEnd(t *testing.T) {
	containertest.Check(t, containertest.Engine())
	rnd := seed(t)
	for _, image := range containertest.MySQLImages() {
		t.Run(image, func(t *testing.T) {
			s := containerSite(t, image)
			ctx := etltest.Bounded(t, 3*time.Minute)
			s.proxy.Commits(tenthCommit(rnd))
			l := &load{seed: rnd, addr: s.avro, batch: 50, total: 20_000, rate: 5_000}
			sent := s.begin(ctx, t, l)
			s.finish(ctx, t, l, sent, s.start(t, "run", ""))
		})
	}
}

// TestContainer_TablesAltered alters the table of a running etl in each MySQL and MariaDB that has a collation which
// compares keys by their bytes.
func TestContainer_TablesAltered(t *testing.T) {
	containertest.Check(t, containertest.Engine())
	for _, image := range containertest.MySQLImages() {
		t.Run(image, func(t *testing.T) {
			s := containerSite(t, image)
			collation := "utf8mb4_nopad_bin"
			ctx := etltest.Bounded(t, 4*time.Minute)
			if readNumber(ctx, s.db, "SELECT COUNT(*) FROM information_schema.collations WHERE collation_name = 'utf8mb4_nopad_bin'") != 1 {
				collation = "utf8mb4_0900_bin"
				if readNumber(ctx, s.db, "SELECT COUNT(*) FROM information_schema.collations WHERE collation_name = 'utf8mb4_0900_bin'") != 1 {
					t.Skip("NOT RUN: the server has no collation that compares bytes and does not pad")
				}
			}
			alterWhileRunning(ctx, t, s, collation)
		})
	}
}

// containerSite returns a site whose broker and server run in containers, the server from this image.
func containerSite(t *testing.T, image string) *site {
	t.Helper()
	server := startMySQL(t, image)
	kafka, err := containertest.Kafka(t.Context(), containertest.KafkaImage())
	t.Cleanup(func() { closeContainer(t, kafka) })
	containertest.Check(t, err)
	used(t, kafka, "Apache Kafka")
	s := &site{dir: t.TempDir(), avro: etltest.FreeAddr(t), broker: &broker{addr: kafka.Addr}, server: server, schema: server.Database(t)}
	if s.db, err = sql.Open("mysql", server.DSN(s.schema)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if s.proxy, err = mysqlproxy.Start(server.Addr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.proxy.Close() })
	s.query = filepath.Join(s.dir, "query.sql")
	if err := os.WriteFile(s.query, []byte(faultQuery), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func startMySQL(t *testing.T, image string) *mariadbtest.Server {
	t.Helper()
	c, server, err := containertest.MySQL(t.Context(), image)
	t.Cleanup(func() { closeContainer(t, c) })
	containertest.Check(t, err)
	h, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var version string
	if err := h.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	name := "MySQL"
	if strings.Contains(version, "MariaDB") {
		name = "MariaDB"
	}
	used(t, c, name+" "+version)
	return server
}

func closeContainer(t *testing.T, c *containertest.Container) {
	t.Helper()
	if c == nil {
		return
	}
	if t.Failed() {
		t.Logf("the server of %s:\n%s", c.Image, c.Log())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// usedBefore holds what used has printed.
var usedBefore sync.Map

// used prints once what ran in a container; scripts/test collects these lines.
func used(t *testing.T, c *containertest.Container, what string) {
	t.Helper()
	if _, is := usedBefore.LoadOrStore(c.Image, true); !is {
		t.Logf("IN A CONTAINER: %s: %s", c.Image, what)
	}
}
