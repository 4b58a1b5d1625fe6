package mysqlout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

// severalRows are queries that make several rows of a record, with what the server counts of all records at once. The
// table records holds the records' bodies and times; n holds the numbers from 0.
var severalRows = []struct{ name, text, shown, counted string }{
	{
		"HOP", `INSERT INTO t SELECT HOP(_timestamp, INTERVAL 10 MINUTE, INTERVAL 1 HOUR) AS w, COALESCE(k, '') AS k, COUNT(*) AS c, SUM(CAST(x AS SIGNED)) AS s, MAX(_timestamp) AS last
			FROM events WHERE x > 2 GROUP BY w, k`,
		"SELECT w, k, c, s, last FROM t ORDER BY w, k",
		`SELECT FROM_UNIXTIME(600 * (FLOOR(UNIX_TIMESTAMP(at) / 600) - n.i)) AS w, JSON_VALUE(doc, '$.k') AS k, COUNT(*), SUM(JSON_VALUE(doc, '$.x')), MAX(at)
			FROM records JOIN n ON n.i < 6 WHERE JSON_VALUE(doc, '$.x') > 2 GROUP BY w, k ORDER BY w, k`,
	},
	{
		"JSON_TABLE", `INSERT INTO t SELECT COALESCE(tag, 'none') AS tag, COUNT(*) AS c, COUNT(tag) AS tags, SUM(number) AS s, MAX(x.n) AS longest
			FROM events LEFT JOIN JSON_TABLE(tags, '$[*]' COLUMNS (n FOR ORDINALITY, tag VARCHAR(50) PATH '$', number DECIMAL(10,2) PATH '$')) AS x ON TRUE WHERE k <> 'b' GROUP BY tag`,
		"SELECT tag, c, tags, s, longest FROM t ORDER BY tag",
		`SELECT COALESCE(tag, 'none') AS t, COUNT(*), COUNT(tag), SUM(IF(tag = '1.50', number, NULL)), MAX(x.n)
			FROM records LEFT JOIN JSON_TABLE(doc, '$.tags[*]' COLUMNS (n FOR ORDINALITY, tag VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$', number DECIMAL(10,2) PATH '$')) AS x ON TRUE WHERE JSON_VALUE(doc, '$.k') <> 'b' GROUP BY t ORDER BY t`,
	},
	{
		"row of each element", "INSERT INTO t SELECT k, tag FROM events JOIN UNNEST(tags) AS tag WHERE x < 5",
		"SELECT _element, k, tag FROM t ORDER BY _partition, _offset, _index, _element",
		`SELECT n - 1, JSON_VALUE(doc, '$.k'), tag FROM records JOIN JSON_TABLE(doc, '$.tags[*]' COLUMNS (n FOR ORDINALITY, tag TEXT CHARACTER SET utf8mb4 PATH '$')) AS x WHERE JSON_VALUE(doc, '$.x') < 5 ORDER BY id, n`,
	},
	{
		"SPLIT", "INSERT INTO t SELECT part, COUNT(*) AS c FROM events, SPLIT(CAST(tags AS CHAR), ',') AS part GROUP BY part",
		"SELECT part, c FROM t ORDER BY part",
		`SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(tags, ',', n.i + 1), ',', -1) AS part, COUNT(*) FROM (SELECT REPLACE(JSON_QUERY(doc, '$.tags'), ' ', '') AS tags FROM records) r
			JOIN n ON n.i <= LENGTH(tags) - LENGTH(REPLACE(tags, ',', '')) GROUP BY part ORDER BY part`,
	},
}

// A table holds, after the batches of two processes, some of which are discarded and folded again, what the server
// computes from all records at once.
func TestSeveralRows_equalTheRecords(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for _, c := range severalRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			o := query.DefaultOptions()
			o.Format = "json"
			var logs [][]batch.Record
			var values []string
			for id := range uint64(2) {
				rng := rand.New(rand.NewPCG(seed, id))
				var records []batch.Record
				for i := range 200 {
					at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli() + rng.Int64N(10_800_000)
					doc := fmt.Sprintf(`{"k":"%c","x":%d,"tags":%s}`, 'a'+rng.IntN(3), rng.IntN(10), randomTags(rng))
					records = append(records, batch.Record{Offset: int64(i), Timestamp: at, Value: []byte(doc)})
					values = append(values, fmt.Sprintf("(%s, FROM_UNIXTIME(%d.%03d))", quoted(doc), at/1000, at%1000))
				}
				logs = append(logs, records)
			}
			f.Exec(t, "CREATE TABLE records (id INT AUTO_INCREMENT PRIMARY KEY, doc TEXT COLLATE utf8mb4_nopad_bin, at DATETIME(3))", "INSERT INTO records (doc, at) VALUES "+strings.Join(values, ","),
				"CREATE TABLE n (i INT)", "INSERT INTO n VALUES (0),(1),(2),(3),(4),(5)")
			var g errgroup.Group
			for id := range byte(2) {
				plan, err := query.Compile(c.text, o)
				if err != nil {
					t.Fatal(err)
				}
				s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
				tables, err := s.Prepare(t.Context(), plan.Tables())
				if err == nil {
					err = plan.Bind(tables)
				}
				if err != nil {
					t.Fatal(err)
				}
				k := &consumer{t: t, rng: rand.New(rand.NewPCG(seed, uint64(id)+10)), plan: plan, sink: s, fold: plan.NewFold(), id: 100 * id, logs: logs}
				if err := k.claim(int32(id)); err != nil {
					t.Fatal(err)
				}
				g.Go(k.run)
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			got, want := f.Text(t, c.shown), f.Text(t, c.counted)
			if got != want || strings.Count(got, "\n") < 3 {
				t.Errorf("got\n%s\nexpected\n%s", got, want)
			}
		})
	}
}

// randomTags returns a JSON array of texts, or null.
func randomTags(rng *rand.Rand) string {
	var tags []string
	for range rng.IntN(5) {
		tags = append(tags, []string{`"a"`, `"b"`, `"é"`, `1.50`, `null`, `"A"`}[rng.IntN(6)])
	}
	if len(tags) == 4 {
		return "null"
	}
	return "[" + strings.Join(tags, ",") + "]"
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
