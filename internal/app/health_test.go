package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/status"
)

// If MySQL becomes unavailable while the process runs, the process is degraded and not down: receiving continues. When
// MySQL is available again, the process is ready again, and counts what it received meanwhile.
func TestRun_mysqlUnavailableWhileRunning(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t, mariadbtest.Private())
	cfg := config(t, broker(t).ListenAddrs()[0], db.DSN(db.Database(t)))
	p := start(t, cfg)
	c := p.dial(t)
	counted := func(want string) func() bool {
		return func() bool { _, body := p.get(t, "/api/v1/status"); return strings.Contains(body, want) }
	}
	if err := c.Append(t.Context(), events("a")); err != nil {
		t.Fatal(err)
	}
	await(t, "a record is counted", counted(`"counted": 1`))
	if err := db.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(t.Context(), events("b", "c", "d")); err != nil {
		t.Fatalf("receiving must continue without MySQL: %v", err)
	}
	await(t, "MySQL is degraded", func() bool { _, states := p.standings(t); return states["mysql"] == status.Degraded })
	if code, states := p.standings(t); code != http.StatusOK || states["partitions"] != status.OK {
		t.Errorf("readyz: %d %v; expected %v and states[\"partitions\"] %v", code, states, http.StatusOK, status.OK)
	}
	if err := db.Restart(); err != nil {
		t.Fatal(err)
	}
	await(t, "MySQL is ok again", func() bool { _, states := p.standings(t); return states["mysql"] == status.OK })
	await(t, "all is counted", func() bool {
		_, body := p.get(t, "/metrics")
		return strings.Contains(body, `etl_batch_records_total{fate="counted"} 4`)
	})
}
