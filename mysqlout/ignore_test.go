package mysqlout

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A table of INSERT IGNORE holds, for each key, the values of the first record, whatever the batches of two processes are,
// in which order they commit, and what is folded again; and it is the same in each byte. So does a table with keys alone.
func TestIgnore_twoProcesses(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	var bytes [2]string
	for try := range bytes {
		f := newFixture(t, sqltest.Open(t, server), testConfig())
		runTwoProcesses(t, f, `INSERT IGNORE INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, page, CAST(ms AS SIGNED) AS ms, _offset AS o, _partition AS p FROM events GROUP BY u;
			INSERT IGNORE INTO pairs SELECT COALESCE(LEFT(u, 50), '') AS u, _partition AS p FROM events WHERE ms > 400 GROUP BY u, p`, logs, seed+uint64(try))
		loadRecords(t, f, logs)
		const firsts = "(SELECT u, p, MIN(o) AS o FROM records GROUP BY u, p)"
		want := f.Text(t, "SELECT r.u, r.page, r.ms, r.o, r.p FROM records r JOIN "+firsts+" a USING (u, p, o) WHERE NOT EXISTS (SELECT 1 FROM records s JOIN "+firsts+
			" b USING (u, p, o) WHERE s.u = r.u AND (s.at < r.at OR s.at = r.at AND s.p < r.p)) ORDER BY r.u")
		if got := f.Text(t, "SELECT * FROM users ORDER BY u"); got != want {
			t.Errorf("got\n%s\nexpected\n%s", got, want)
		}
		if got, want := f.Text(t, "SELECT * FROM pairs ORDER BY u, p"), f.Text(t, "SELECT DISTINCT u, p FROM records WHERE ms > 400 ORDER BY u, p"); got != want {
			t.Errorf("pairs: got\n%s\nexpected\n%s", got, want)
		}
		bytes[try] = f.Text(t, "SELECT u, page, ms, o, p, HEX(etl__first) FROM users ORDER BY u")
	}
	if bytes[0] != bytes[1] {
		t.Errorf("the same records in other batches make\n%s\nand\n%s", bytes[0], bytes[1])
	}
}

// A row that exists without a position was there first, and stays. The embedded database writes such tables, too.
func TestIgnore_storedRows(t *testing.T) {
	t.Parallel()
	for name, db := range map[string]func(t *testing.T) *sqltest.DB{
		"mariadb":  func(t *testing.T) *sqltest.DB { return sqltest.Open(t, mariadbtest.Start(t)) },
		"embedded": func(t *testing.T) *sqltest.DB { return sqltest.Embedded(t) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, db(t), testConfig())
			plan := sqltest.Plan(t, "words", "INSERT IGNORE INTO seen SELECT LEFT(word, 1) AS letter, word FROM events GROUP BY letter")
			f.bind(t, plan)
			at := mustClaim(t, f.sink, 0)
			f.Exec(t, "INSERT INTO seen (letter, word, etl__first) VALUES ('a', 'alone', '')")
			f.commitEach(t, plan, at, "apple bee ant", "axe bye cat", "cut")
			if got := f.Text(t, "SELECT letter, word FROM seen ORDER BY letter"); got != "a alone\nb bee\nc cat" {
				t.Errorf("got\n%s\nexpected alone, bee and cat", strings.TrimSpace(got))
			}
		})
	}
}
