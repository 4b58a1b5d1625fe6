package schema

import (
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A computed column has the same value whatever type the columns have that it reads. In the arithmetic of integer
// columns a difference of BIGINT UNSIGNED, or a product of more than 64 bits, would be an error when the row is written
// again, and 0 when it is read before.
func TestCheck_computedFromEveryType(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	p := sqltest.Plan(t, "combined", `INSERT INTO hits SELECT LEFT(path, 200) AS page, SUM(bytes) AS a, SUM(status) AS b, MIN(status) AS c,
		SUM(bytes) - SUM(status) AS d, SUM(bytes) * SUM(status) AS e, IF(SUM(bytes) - SUM(status) < 0, 1, 0) AS f,
		-SUM(bytes) AS g, COALESCE(SUM(bytes), 0) - MIN(status) AS h, SUM(bytes) / SUM(status) AS i FROM events GROUP BY page`)
	table := p.Tables()[0]
	for _, typ := range []string{"BIGINT", "BIGINT UNSIGNED", "DECIMAL(38,0)", "DECIMAL(38,0) UNSIGNED", "DECIMAL(60,20)"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			f.Exec(t, "CREATE TABLE hits (page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, "+
				"a "+typ+", b "+typ+", c "+typ+")")
			f.follow(t, func() []Finding { return refusals(f.check(t, "hits", table)) })
			f.Exec(t, "INSERT INTO hits (page, a, b, c) VALUES ('p', 5, 7000000000000000, 8)",
				"UPDATE hits SET a = a + 5000000000000")
			const want = "-6994999999999995 35000000000035000000000000000 1 -5000000000005 4999999999997 0.0007"
			if got := f.Text(t, "SELECT d, e, f, g, h, i FROM hits"); got != want {
				t.Errorf("got the values %s\nexpected       %s", got, want)
			}
		})
	}
}
