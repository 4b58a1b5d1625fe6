package query

import (
	"strings"
	"testing"
	"time"
)

// Every error says what can be written instead.
func TestCompile_rejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, text, want string }{
		{"combined", "", "the query is empty"},
		{"combined", " ; -- nothing\n;", "the query is empty"},
		{"combined", "SELECT 1", "expected INSERT INTO"},
		{"combined", "INSERT INTO t VALUES (1)", "rows are made only from events"},
		{"combined", "INSERT IGNORE INTO t SELECT host FROM events", "INSERT IGNORE needs GROUP BY, which names the key: the table keeps, for each group, the values of its first record"},
		{"combined", "INSERT IGNORE INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host", "INSERT IGNORE changes no row that exists: write INSERT INTO, and FIRST(x)"},
		{"combined", "INSERT IGNORE INTO t SELECT host, path, SUM(bytes) / 2 AS n FROM events GROUP BY host", "INSERT IGNORE changes no row that exists"},
		{"combined", "INSERT IGNORE INTO t SELECT host, status AS ETL__first FROM events GROUP BY host", "keeps the position of the first record"},
		{"combined", "INSERT IGNORE INTO t SELECT host, path FROM events GROUP BY host HAVING host > 'a'", "INSERT IGNORE takes neither HAVING"},
		{"combined", "INSERT IGNORE INTO t SELECT host, path FROM events GROUP BY host; REPLACE INTO t SELECT host, path FROM events GROUP BY host", "with REPLACE, and an earlier statement with INSERT IGNORE"},
		{"combined", "REPLACE INTO t SELECT host FROM events", "REPLACE needs GROUP BY"},
		{"combined", "REPLACE INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host", "no value to replace"},
		{"combined", "REPLACE INTO t SELECT host, SUM(bytes) / status AS x, path FROM events GROUP BY host", "neither in GROUP BY nor in an aggregate"},
		{"combined", "REPLACE INTO t SELECT host, status AS ETL__last FROM events GROUP BY host", "keeps the position of the last record"},
		{"combined", "INSERT INTO t SELECT host FROM events ON DUPLICATE KEY UPDATE n=1", "leave it out"},
		{"combined", "INSERT INTO t SELECT host FROM logs", "expected FROM events"},
		{"combined", "INSERT INTO t SELECT host FROM events, b", "a table of MySQL is joined by JOIN"},
		{"combined", "INSERT INTO t SELECT e.host FROM events e JOIN b ON e.host = b.host", "the types of its columns are not known"},
		{"combined", "INSERT INTO t SELECT host", "expected FROM events"},
		{"combined", "INSERT INTO t SELECT host FROM events UNION SELECT host FROM events", "several statements may write to one table"},
		{"combined", "INSERT INTO t SELECT * FROM events", "name the columns"},
		{"combined", "INSERT INTO t SELECT DISTINCT host FROM events", "GROUP BY with COUNT(*)"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING bytes > 1", "neither in GROUP BY"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host ORDER BY n", "ORDER BY"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host LIMIT 3", "LIMIT"},
		{"combined", "INSERT INTO t SELECT host, (SELECT 1) AS n FROM events", "subqueries"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) OVER () AS n FROM events", "TUMBLE"},
		{"combined", "INSERT INTO t SELECT status, SUM(DISTINCT bytes) AS a FROM events GROUP BY status", "group by the value too"},
		{"combined", "INSERT INTO t SELECT INTERVAL(status, 200, 100) AS a FROM events", "100: is below the bound before it: the bounds must ascend"},
		{"combined", "INSERT INTO t SELECT INTERVAL(status, bytes) AS a FROM events", "bytes is not a constant; expected INTERVAL(x, bound, …)"},
		{"combined", "INSERT INTO t SELECT status, GROUP_CONCAT(host) AS a FROM events GROUP BY status", "COUNT(*)"},
		{"combined", "INSERT INTO t SELECT status, SUM(CAST(bytes AS DOUBLE)) AS a FROM events GROUP BY status", "AS DECIMAL(p,s)))"},
		{"combined", "INSERT INTO t SELECT status, SUM(COUNT(*)) AS a FROM events GROUP BY status", "contain another"},
		{"combined", "INSERT INTO t SELECT host, MIN_BY(path) AS a FROM events GROUP BY host", "expected MIN_BY(x, y), the x of the record with the lowest y"},
		{"combined", "INSERT INTO t SELECT host, MIN_BY(path, bytes, 1) AS a FROM events GROUP BY host", "expected MIN_BY(x, y)"},
		{"combined", "INSERT INTO t SELECT host, MAX_BY(DISTINCT path, bytes) AS a FROM events GROUP BY host", "expected MAX_BY(x, y), the x of the record with the highest y"},
		{"combined", "INSERT INTO t SELECT host, FIRST(path, bytes) AS a FROM events GROUP BY host", "expected FIRST(x), the x of the record with the lowest timestamp in Kafka"},
		{"combined", "INSERT INTO t SELECT host, LAST(*) AS a FROM events GROUP BY host", "expected LAST(x), the x of the record with the highest timestamp in Kafka"},
		{"combined", "INSERT INTO t SELECT host, LAST(DISTINCT path) AS a FROM events GROUP BY host", "expected LAST(x)"},
		{"combined", "INSERT INTO t SELECT host, LAST(NULL) AS a FROM events GROUP BY host", "LAST of NULL is always NULL"},
		{"combined", "INSERT INTO t SELECT host, FIRST(path) AS a, LAST(path) AS A__Min FROM events GROUP BY host", "its order would be in column a__min, which another item of SELECT has"},
		{"combined", "INSERT INTO t SELECT host, LAST(path) AS " + strings.Repeat("a", 60) + " FROM events GROUP BY host", "give it a shorter alias"},
		{"combined", "INSERT INTO t SELECT host, CONCAT(LAST(path), 'x') AS a FROM events GROUP BY host", "give it a column of its own"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING LAST(path) = '/'", "give it a column of its own"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events WHERE LAST(path) = '/' GROUP BY host", "an aggregate cannot be in WHERE"},
		{"combined", "INSERT INTO t SELECT LAST(n) AS l FROM (SELECT host, COUNT(*) AS n FROM events GROUP BY host) x", "expected COUNT, SUM, MIN, MAX or AVG"},
		{"combined", "INSERT INTO t SELECT COUNT(*) AS Etl__Row FROM events", "which is the key of a table with one row"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events", "host: it is neither in GROUP BY nor an aggregate"},
		{"combined", "INSERT INTO t SELECT COUNT(*) AS n FROM events; INSERT INTO t SELECT COUNT(*) AS n, MAX(status) AS s FROM events", "other columns"},
		{"combined", "INSERT INTO t SELECT host FROM events GROUP BY host", "add COUNT(*)"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY status", "not in SELECT"},
		{"combined", "INSERT INTO t SELECT host, status, COUNT(*) AS n FROM events GROUP BY status", "MIN(host)"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY 3", "SELECT has 2 items"},
		{"combined", "INSERT INTO t SELECT host, SUM(bytes) AS bytes FROM events GROUP BY host, bytes", "another alias"},
		{"json", "INSERT INTO t SELECT level, COUNT(*) AS Level__Key FROM events GROUP BY level", "its column level__key stores it"},
		{"json", "INSERT INTO t SELECT level AS `" + strings.Repeat("é", 29) + "x`, COUNT(*) AS n FROM events GROUP BY 1", "give it an alias of at most 58"},
		{"json", "INSERT INTO t SELECT a, b, c, d, e, f, g, h, i, COUNT(*) AS n FROM events GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9", "needs an index of 18 columns"},
		{"combined", "INSERT INTO t SELECT NULL AS x, COUNT(*) AS n FROM events GROUP BY x", "is always NULL"},
		{"combined", "INSERT INTO t SELECT CAST(bytes AS DOUBLE) AS b, COUNT(*) AS n FROM events WHERE bytes > 0 GROUP BY b", "is a DOUBLE"},
		{"combined", "INSERT INTO t SELECT CAST(status AS DOUBLE) AS b, COUNT(*) AS n FROM events GROUP BY b", "DECIMAL(p,s)"},
		{"combined", "INSERT INTO t SELECT staus, COUNT(*) AS n FROM events GROUP BY staus", "did you mean status?"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events WHERE m = 'GET' GROUP BY host", "no such column; there are host"},
		{"combined", "INSERT INTO t SELECT LEFT(path, 9) AS p, COUNT(*) AS n FROM events WHERE p = '/' GROUP BY p", "alias of SELECT"},
		{"json", "INSERT INTO t SELECT COALESCE(LEFT(uri, 9), '') AS p, COUNT(*) AS n FROM events WHERE p = '/' GROUP BY p", "events.p if a field"},
		{"combined", "INSERT INTO t SELECT a.b FROM events", "log format json"},
		{"combined", "INSERT INTO t SELECT host + 1 AS x FROM events", "CAST(host AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE status = '200'", "CAST('200' AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE host = 5", "CAST(host AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE host", "host <> ''"},
		{"combined", "INSERT INTO t SELECT host || path AS x FROM events", "CONCAT"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > 5", "is a time"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > path", "CAST(`path` AS DATETIME)"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > 'yesterday'", "expected a time such as"},
		{"combined", "INSERT INTO t SELECT IF(status = 200, host, 5) AS x FROM events", "convert it"},
		{"json", "INSERT INTO t SELECT COALESCE(k, '') AS k, MAX(ms->'$.x') AS m FROM events GROUP BY k", "AS DECIMAL(p,s))"},
		{"json", "INSERT INTO t SELECT x FROM events WHERE a = b", "CAST(a AS CHAR)"},
		{"combined", "INSERT INTO t SELECT SHA2(host, 128) AS h FROM events", "224, 256, 384 or 512 bits"},
		{"json", "INSERT INTO t SELECT HEX(a) AS h FROM events", "write CAST(a AS CHAR) or CAST(a AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT NOW() AS h FROM events", "_timestamp"},
		{"combined", "INSERT INTO t SELECT COALSCE(host, '') AS h FROM events", "did you mean COALESCE?"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE host REGEXP '(?=x)'", "no lookaround"},
		{"combined", "INSERT INTO t SELECT host COLLATE utf8mb4_general_ci AS h FROM events", "write LOWER(host) on both sides"},
		{"combined", "INSERT INTO t SELECT TUMBLE(ts, 60) AS m FROM events", "INTERVAL n unit"},
		{"combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 0 MINUTE) AS m FROM events", "whole number from 1"},
		{"combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 FORTNIGHT) AS m FROM events", "expected SECOND, MINUTE"},
		{"combined", "INSERT INTO t SELECT TUMBLE(host, INTERVAL 1 MINUTE) AS m FROM events", "CAST(host AS DATETIME)"},
		{"combined", "INSERT INTO t SELECT ts * INTERVAL 1 HOUR AS m FROM events", "TUMBLE"},
		{"combined", "INSERT INTO t SELECT host, status + 1 FROM events", "write `status` + 1 AS name"},
		{"combined", "INSERT INTO t SELECT host, host FROM events", "written twice"},
		{"combined", "INSERT INTO t (a) SELECT host, status FROM events", "lists 1 columns"},
		{"combined", "INSERT INTO t SELECT host AS _offset FROM events", "part of the key"},
		{"combined", "INSERT INTO t SELECT COUNT(*) AS n, host FROM events WHERE COUNT(*) > 1 GROUP BY host", "WHERE"},
		{"combined", "INSERT INTO t SELECT LEFT(path, 1000) AS p, COUNT(*) AS n FROM events GROUP BY p", "LEFT(text, n)"},
		{"combined", "INSERT INTO t SELECT CAST(host AS DECIMAL(50,2)) AS p FROM events", "from 1 to 38"},
		{"combined", "INSERT INTO t SELECT CAST('x' AS SIGNED) AS p FROM events", "is not a number"},
		{"combined", "INSERT INTO t SELECT 0x010203040506070809 + 1 AS p FROM events", "has 9 bytes, but a number is expected, which has at most 8"},
		{"combined", "INSERT INTO t SELECT status & host AS p FROM events", "host: is text, but a number is expected"},
		{"combined", "INSERT INTO t SELECT status & 1.5 AS p FROM events", "1.5: is a DECIMAL, but an integer is expected"},
		{"combined", "INSERT INTO t SELECT CONV(status, 10, 37) AS p FROM events", "expected bases from 2 to 36"},
		{"combined", "INSERT INTO t SELECT LOG10(bytes) AS p, COUNT(*) AS n FROM events GROUP BY p", "is a DOUBLE, which has no exact key"},
		{"combined", "INSERT INTO t SELECT CONCAT(SQRT(bytes)) AS p FROM events", "is a DOUBLE, but text is expected"},
		{"combined", "INSERT INTO t SELECT 'all' AS k, SUM(POW(bytes, 2)) AS p FROM events GROUP BY k", "a sum of DOUBLEs depends on their order"},
		{"combined", "INSERT INTO t SELECT POWR(bytes, 2) AS p FROM events", "no such function; did you mean POW?"},
		{"combined", "INSERT INTO t SELECT SQRTT(bytes) AS p FROM events", "no such function; did you mean SQRT?"},
		{"combined", "INSERT INTO t SELECT LOG3(bytes) AS p FROM events", "no such function; did you mean LOG?"},
		{"combined", "INSERT INTO t SELECT DATE_FORMT(ts, '%Y') AS p FROM events", "no such function; did you mean DATE_FORMAT?"},
		{"combined", "INSERT INTO t SELECT header(host) AS p FROM events", "host is not a constant; expected HEADER('name'), such as HEADER('host')"},
		{"combined", "INSERT INTO t SELECT LEFT(path) AS p FROM events", "the number of its arguments is 1; expected LEFT(text, n), such as LEFT(path, 100)"},
		{"combined", "INSERT INTO t SELECT ROUND(bytes, NULL) AS p FROM events", "null is NULL; expected ROUND(x[, d])"},
		{"combined", "INSERT INTO t SELECT LPAD(path, 5, '') AS p FROM events", "a text to fill with that is not empty"},
		{"combined", "INSERT INTO t SELECT TRIM(host FROM path) AS p FROM events", "host is not a constant; expected TRIM([[LEADING | TRAILING] pattern FROM] text), such as TRIM(path)"},
		{"combined", "INSERT INTO t SELECT LEFT(path, 2.5) AS p FROM events", "2.5: is a DECIMAL, but an integer is expected: write CAST(2.5 AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT LEFT(path, '2') AS p FROM events", "'2': is text, but a number is expected"},
		{"combined", "INSERT INTO t SELECT LENGTH(*) AS p FROM events", "its argument is *; expected LENGTH(text), such as LENGTH(path)"},
		{"combined", "INSERT INTO t SELECT LENGTH(DISTINCT path) AS p FROM events", "only an aggregate has DISTINCT; expected LENGTH(text)"},
		{"combined", "INSERT INTO t SELECT host FROM events WHERE status IN ('200')", "CAST('200' AS SIGNED)"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host; INSERT INTO t SELECT host, COUNT(*) AS m FROM events GROUP BY host", "statement 2: it writes column m"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host; INSERT INTO t SELECT host, MAX(status) AS n FROM events GROUP BY host", "statement 2: column n"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host; INSERT INTO T SELECT host, COUNT(*) AS n FROM events GROUP BY host", "in the case of letters"},
		{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host; INSERT INTO t SELECT status AS host, COUNT(*) AS n FROM events GROUP BY host", "another kind"},
		{"json", "INSERT INTO t SELECT key FROM events", "`key`"},
		{"json", "INSERT INTO t SELECT rank FROM events", "`rank`"},
		{"json", "INSERT INTO t SELECT system AS a FROM events", "`system`"},
		{"json", "INSERT INTO t SELECT groups FROM events", "`groups`"},
		{"json", "INSERT INTO t\nSELECT a\nFROM events WHERE AND b = 1", "line 3"},
		{"nosuch", "INSERT INTO t SELECT a FROM events", "must be one of words, raw, combined, common, json"},
	} {
		o := DefaultOptions()
		o.Format = c.format
		_, err := Compile(c.text, o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n  got       %v\n  expected  %s", c.text, err, c.want)
		}
	}
}

func TestCompile_accepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, text string }{
		{"combined", "INSERT INTO db.t (a, b) SELECT status, COUNT(*) FROM events e WHERE e.method = 'GET' GROUP BY status;"},
		{"combined", "-- a comment; with a semicolon\nINSERT INTO t SELECT status, COUNT(*) AS n /* ; */ FROM events WHERE path = 'a;b' GROUP BY 1; # end"},
		{"combined", "INSERT INTO t (SELECT host FROM events)"},
		{"combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY TUMBLE(ts, INTERVAL 1 MINUTE)"},
		{"combined", "INSERT INTO t SELECT LEFT(path, 10) AS path, COUNT(*) AS n FROM events GROUP BY path"},
		{"json", "INSERT INTO t SELECT COALESCE(`key`, '') AS `key`, SUM(req.ms) AS ms FROM events WHERE a->>'$.b.c' = 'x' GROUP BY `key`"},
		{"json", "INSERT INTO t SELECT COALESCE(events.p, '') AS p, COUNT(*) AS n FROM events WHERE events.p = '/' GROUP BY p"},
		{"words", "INSERT INTO t SELECT word AS item, COUNT(*) AS count FROM events GROUP BY item"},
		{"raw", "INSERT INTO t SELECT header('host') AS h, body, _key, _event_time FROM events"},
		{"combined", "INSERT INTO t SELECT host, _offset FROM events"},
	} {
		plan(t, c.format, c.text)
	}
}

// P2: everything that changes the meaning of rows changes the fingerprint, and nothing else does.
func TestP2_fingerprint(t *testing.T) {
	t.Parallel()
	of := func(text, format string, zone *time.Location) [32]byte {
		o := DefaultOptions()
		o.Format, o.TimeZone = format, zone
		p, err := Compile(text, o)
		if err != nil {
			t.Fatal(err)
		}
		h, hashed := p.Fingerprint()
		if !strings.Contains(hashed, format) {
			t.Errorf("the hashed text does not name the format: %s, expected it to contain %q", hashed, format)
		}
		return h
	}
	base := of("INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status", "combined", time.UTC)
	if base != of("INSERT INTO t\n  SELECT `status`, COUNT(*) n FROM events GROUP BY status;\n-- the end", "combined", nil) {
		t.Error("white space, comments, quotes and the last semicolon change the fingerprint")
	}
	for name, other := range map[string][32]byte{
		"format": of("INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status", "common", time.UTC),
		"zone":   of("INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status", "combined", time.FixedZone("X", 3600)),
		"where":  of("INSERT INTO t SELECT status, COUNT(*) AS n FROM events WHERE method = 'GET' GROUP BY status", "combined", time.UTC),
		"table":  of("INSERT INTO u SELECT status, COUNT(*) AS n FROM events GROUP BY status", "combined", time.UTC),
	} {
		if other == base {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

func TestTables_keysFitAnIndex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []int // MaxChars of the key columns
	}{
		{"SELECT host, COUNT(*) AS n FROM events GROUP BY host", []int{768}},
		{"SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, path, COUNT(*) AS n FROM events GROUP BY m, path", []int{0, 766}},
		{"SELECT LEFT(path, 200) AS p, host, COUNT(*) AS n FROM events GROUP BY p, host", []int{200, 568}},
		{"SELECT host, path, COUNT(*) AS n FROM events GROUP BY path, host", []int{384, 384}},
		{"SELECT host FROM events", []int{249, 0, 0, 0}},
		{"SELECT 'web' AS site, COUNT(*) AS n FROM events GROUP BY site", []int{3}},
	} {
		tab := plan(t, "combined", "INSERT INTO t "+c.text).Tables()[0]
		if tab.Keys != len(c.want) {
			t.Errorf("%s: %d keys, expected %v", c.text, tab.Keys, len(c.want))
			continue
		}
		for i, want := range c.want {
			if tab.Columns[i].MaxChars != want {
				t.Errorf("%s: key column %s takes %d characters, expected %d", c.text, tab.Columns[i].Name, tab.Columns[i].MaxChars, want)
			}
		}
	}
}
