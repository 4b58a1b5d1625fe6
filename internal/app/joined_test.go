package app

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/status"
)

// joinPlan returns a query that counts words by the teams of hosts.
func joinPlan(t *testing.T) *query.Plan {
	t.Helper()
	o := query.DefaultOptions()
	o.Format = "words"
	plan, err := query.Compile(`CREATE TABLE hosts (name VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, team VARCHAR(20));
		INSERT INTO counts SELECT COALESCE(h.team, '-') AS team, COUNT(*) AS n FROM events LEFT JOIN hosts h ON h.name = word GROUP BY team`, o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// joinConfig returns the configuration of a process that counts words by the teams of hosts, with a database that has
// hosts, and what makes the process read them again.
func joinConfig(t *testing.T, hosts ...string) (cfg Config, db *sql.DB, demand chan struct{}) {
	t.Helper()
	server := mariadbtest.Start(t)
	dsn := server.DSN(server.Database(t))
	cfg, demand = config(t, broker(t).ListenAddrs()[0], dsn), make(chan struct{})
	cfg.Kafka.Partitions, cfg.Batch.Tasks = 1, 1
	cfg.ReadJoined = demand
	cfg.Plan = joinPlan(t)
	var err error
	if db, err = sql.Open("mysql", dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, text := range hosts {
		runSQL(t, db, text)
	}
	return cfg, db, demand
}

func runSQL(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// counts returns the rows of the table counts.
func counts(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	out := map[string]int{}
	rows, err := db.QueryContext(t.Context(), "SELECT team, n FROM counts")
	if err != nil {
		return out // there is no table yet
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var team string
		var n int
		if err := rows.Scan(&team, &n); err != nil {
			t.Fatal(err)
		}
		out[team] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// read makes the process read the joined table again, and waits until it has.
func read(t *testing.T, cfg Config, demand chan<- struct{}) {
	t.Helper()
	before := cfg.Plan.Joined()[0].Current()
	demand <- struct{}{}
	await(t, "the joined table is read again", func() bool { return cfg.Plan.Joined()[0].Current() != before })
}

// Rows that are read again are those of later batches. A batch whose commit is fenced is folded again, with the rows that
// are current then, and its effect is that of one fold.
func TestP35_joinedTableIsReadAgain(t *testing.T) {
	t.Parallel()
	cfg, db, demand := joinConfig(t, "CREATE TABLE hosts (name VARCHAR(20) PRIMARY KEY, team VARCHAR(20))", "INSERT INTO hosts VALUES ('a', 'one')")
	p := start(t, cfg)
	send := func(text string) {
		t.Helper()
		if err := p.dial(t).Append(t.Context(), events(text)); err != nil {
			t.Fatal(err)
		}
	}
	reaches := func(want map[string]int) {
		t.Helper()
		var got map[string]int
		await(t, fmt.Sprintf("the rows are %v", want), func() bool {
			got = counts(t, db)
			return cmp.Equal(got, want)
		})
	}
	send("a a x")
	reaches(map[string]int{"one": 2, "-": 1})
	runSQL(t, db, "UPDATE hosts SET team = 'two'")
	runSQL(t, db, "INSERT INTO hosts VALUES ('x', 'ex')")
	read(t, cfg, demand)
	send("a x")
	reaches(map[string]int{"one": 2, "-": 1, "two": 1, "ex": 1})

	// A batch that was folded with the old rows waits for the checkpoint, which another process then claims.
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var locked int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM etl_checkpoint FOR UPDATE").Scan(&locked); err != nil {
		t.Fatal(err)
	}
	send("a a a")
	await(t, "the commit waits for the checkpoint", func() bool {
		waits := 0
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'UPDATE etl_checkpoint%'").Scan(&waits)
		return err == nil && waits > 0
	})
	runSQL(t, db, "UPDATE hosts SET team = 'three' WHERE name = 'a'")
	read(t, cfg, demand)
	if _, err := tx.ExecContext(t.Context(), "UPDATE etl_checkpoint SET epoch = epoch + 1, owner = 'another'"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	reaches(map[string]int{"one": 2, "-": 1, "two": 1, "ex": 1, "three": 3})

	// The table is no more as the query needs it: the rows stay, and the process reports it.
	runSQL(t, db, "ALTER TABLE hosts DROP PRIMARY KEY")
	demand <- struct{}{}
	await(t, "the condition joined is degraded", func() bool { _, states := p.standings(t); return states["joined"] == status.Degraded })
	send("a")
	reaches(map[string]int{"one": 2, "-": 1, "two": 1, "ex": 1, "three": 4})
	if log := p.log.String(); !strings.Contains(log, "Cannot read a joined table again; keeping the rows that were read before") {
		t.Errorf("the failed read is not logged:\n%s", log)
	}
	_, body := p.get(t, "/metrics")
	for _, line := range []string{`etl_joined_reads_total{result="failed",table="hosts"} 1`, `etl_joined_reads_total{result="ok",table="hosts"} 3`, `etl_joined_rows{table="hosts"} 2`, `etl_joined_age_seconds{table="hosts"} `, `etl_joined_unmatched_total{table="hosts"} 1`} {
		if !strings.Contains(body, line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
	runSQL(t, db, "ALTER TABLE hosts ADD PRIMARY KEY (name)")
	demand <- struct{}{}
	await(t, "the condition joined is ok", func() bool { _, states := p.standings(t); return states["joined"] == status.OK })
	p.stop()
	if err := p.wantEnd(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A start on a table that is not as the query declares it is refused, and etl check finds the same.
func TestRun_joinedTableIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ ddl, want string }{
		"no table":     {"SELECT 1", "hosts: the query joins it, but there is no such table"},
		"no key":       {"CREATE TABLE hosts (name VARCHAR(20), team VARCHAR(20))", "no unique key consists of columns that the join compares (name)"},
		"another type": {"CREATE TABLE hosts (name VARCHAR(20) PRIMARY KEY, team INT)", "hosts.team: the query declares VARCHAR(20), but the column is int(11): that is no text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, _ := joinConfig(t, c.ddl)
			var out bytes.Buffer
			if err := Check(t.Context(), cfg, &out); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(out.String(), "refused") || !strings.Contains(out.String(), c.want) {
				t.Errorf("etl check: got %v and\n%s\nexpected %q", err, &out, c.want)
			}
			if err := start(t, cfg).wantEnd(t); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected a refusal with %q", err, c.want)
			}
		})
	}
	t.Run("too many rows", func(t *testing.T) {
		t.Parallel()
		cfg, _, _ := joinConfig(t, "CREATE TABLE hosts (name VARCHAR(20) PRIMARY KEY, team VARCHAR(20))", "INSERT INTO hosts VALUES ('a', ''), ('b', '')")
		cfg.Joined.MaxRows = 1
		if err := start(t, cfg).wantEnd(t); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "read the joined table hosts: it has more than 1 rows") {
			t.Errorf("got %v, expected a refusal of too many rows", err)
		}
	})
}
