package query

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query/parse"
)

// advices holds queries that are rejected. The text between « and » is to be replaced, and the error says with what.
// Placeholders in the advice are replaced as in filled; … stands for the text between the marks.
var advices = []struct{ format, query, write string }{
	// Declarations.
	{"combined", "CREATE TABLE t (host INT); «CREATE TABLE t (host INT);» INSERT INTO t SELECT host FROM events", "a second CREATE TABLE of t: write one"},
	{"combined", "«INSERT INTO t SELECT host FROM events; CREATE TABLE t (host INT)»", "write CREATE TABLE first"},
	{"combined", "«CREATE TABLE t (host INT);» INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3", "leave CREATE TABLE out"},
	// Keys.
	{"json", "INSERT INTO t SELECT level, «COUNT(*) AS level__null» FROM events GROUP BY level", "give that another alias"},
	{"json", "INSERT INTO t SELECT «COALESCE(x + 1, 0)» AS l, COUNT(*) AS n FROM events GROUP BY l", "CAST(COALESCE(x + 1, 0) AS DECIMAL(p,s))"},
	{"json", "INSERT INTO t SELECT «COALESCE(x + 1, 0)» AS l, COUNT(*) AS n FROM events GROUP BY l", "CAST(COALESCE(x + 1, 0) AS SIGNED)"},
	{"combined", "INSERT INTO t SELECT «CAST(status AS DOUBLE)» AS l, COUNT(*) AS n FROM events GROUP BY l", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(p,s))"},
	// Lists of formats.
	{"first-of(combined,json)", "INSERT INTO t SELECT «status» AS s, COUNT(*) AS n FROM events GROUP BY s", "COALESCE(combined.status, CAST(json.status AS SIGNED))"},
	{"first-of(json,combined)", "INSERT INTO t SELECT «status» AS s, COUNT(*) AS n FROM events GROUP BY s", "combined.status"},
	{"first-of(json,combined)", "INSERT INTO t SELECT TUMBLE(«ts», INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY m", "COALESCE(CAST(json.ts AS DATETIME(6)), combined.ts)"},
	{"first-of(json,raw)", "INSERT INTO t SELECT «body» AS b, COUNT(*) AS n FROM events GROUP BY b", "COALESCE(CAST(json.body AS CHAR), raw.body)"},
	{"first-of(combined,syslog,logfmt)", "INSERT INTO t SELECT «ts» AS b, COUNT(*) AS n FROM events GROUP BY b", "combined.ts or syslog.ts or logfmt.ts"},
	// Times.
	{"combined", "INSERT INTO t SELECT «TUMBLE(ts, 60)» AS l, COUNT(*) AS n FROM events GROUP BY l", "TUMBLE(time, INTERVAL n unit)"},
	{"combined", "INSERT INTO t SELECT «TUMBLE(ts, 60)» AS l, COUNT(*) AS n FROM events GROUP BY l", "TUMBLE(ts, INTERVAL 1 MINUTE)"},
	{"combined", "INSERT INTO t SELECT «ts + 1» AS l, COUNT(*) AS n FROM events GROUP BY l", "TUMBLE(time, INTERVAL n unit)"},
	{"combined", "INSERT INTO t SELECT «CAST(ts AS SIGNED)» AS l, COUNT(*) AS n FROM events GROUP BY l", "TUMBLE(time, INTERVAL n unit)"},
	{"combined", "INSERT INTO t SELECT «TIME(ts)» AS l, COUNT(*) AS n FROM events GROUP BY l", "DATE_FORMAT(time, '%H:%i:%s')"},
	{"combined", "INSERT INTO t SELECT «TIME(ts)» AS l, COUNT(*) AS n FROM events GROUP BY l", "TIME_TO_SEC(time)"},
	{"combined", "INSERT INTO t SELECT «TIME_FORMAT»(ts, '%Y') AS l, COUNT(*) AS n FROM events GROUP BY l", "DATE_FORMAT"},
	{"combined", "INSERT INTO t SELECT «INTERVAL 1 DAY» AS l, COUNT(*) AS n FROM events GROUP BY l", "TUMBLE(time, INTERVAL n unit)"},
	{"combined", "INSERT INTO t «SELECT HOP(ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE) AS w FROM events»", "SELECT HOP(time, INTERVAL n unit, INTERVAL n unit) AS w, COUNT(*) AS n FROM events GROUP BY w"},
	{"combined", "INSERT INTO t SELECT HOP(ts, «INTERVAL 1 SECOND», INTERVAL 1 DAY) AS w, COUNT(*) AS n FROM events GROUP BY w", "write a longer slide"},
	{"combined", "INSERT INTO t SELECT TUMBLE(«host», INTERVAL 1 DAY) AS l FROM events", "CAST(host AS DATETIME)"},
	{"combined", "INSERT INTO t SELECT TUMBLE(«status», INTERVAL 1 DAY) AS l FROM events", "FROM_UNIXTIME(`status`)"},
	{"combined", "INSERT INTO t SELECT «CAST(status AS DATETIME)» AS l FROM events", "FROM_UNIXTIME(`status`)"},
	{"combined", "INSERT INTO t SELECT FROM_UNIXTIME(«CAST(status AS DOUBLE)») AS l FROM events", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(20,6))"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > «path»", "CAST(`path` AS DATETIME)"},
	{"combined", "INSERT INTO t SELECT IF(status = 200, ts, «host») AS l FROM events", "CAST(host AS DATETIME)"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > «'yesterday'»", "'2015-05-17 10:05:03'"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE ts > «'yesterday'»", "'2015-05-17 10:05:03+02:00'"},
	{"combined", "INSERT INTO t SELECT COALESCE(ts, «''») AS l FROM events", "'2015-05-17 10:05:03'"},
	{"combined", "INSERT INTO t SELECT COALESCE(ts, «status») AS l FROM events", "FROM_UNIXTIME(`status`)"},
	{"combined", "INSERT INTO t SELECT IF(status > 5, «bytes», ts) AS l FROM events", "FROM_UNIXTIME(bytes)"},
	{"combined", "INSERT INTO t SELECT LEFT(«ts», 10) AS l FROM events", "CAST(ts AS CHAR)"},
	// Types of values.
	{"combined", "INSERT INTO t SELECT «host» + 1 AS l FROM events", "CAST(host AS SIGNED)"},
	{"combined", "INSERT INTO t SELECT «host» + 1 AS l FROM events", "CAST(host AS DECIMAL(p,s))"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE status = «'200'»", "CAST('200' AS SIGNED)"},
	{"combined", "INSERT INTO t SELECT LEFT(«CAST(status AS DOUBLE)», 10) AS l FROM events", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(p,s))"},
	{"combined", "INSERT INTO t SELECT «CAST(status AS DOUBLE)» DIV 2 AS l FROM events", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(p,s))"},
	{"combined", "INSERT INTO t SELECT COALESCE(host, «status») AS l FROM events", "CAST(`status` AS CHAR)"},
	{"combined", "INSERT INTO t SELECT COALESCE(status, «host») AS l FROM events", "CAST(host AS SIGNED)"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE «path»", "`path` <> ''"},
	{"combined", "INSERT INTO t SELECT «host || path» AS l FROM events", "CONCAT(a, b)"},
	{"json", "INSERT INTO t SELECT a FROM events WHERE «a» = b", "CAST(a AS CHAR)"},
	{"json", "INSERT INTO t SELECT a FROM events WHERE «a» = b", "CAST(a AS DECIMAL(p,s))"},
	{"json", "INSERT INTO t SELECT a FROM events WHERE «a» > ts AND ts > CAST(b AS DATETIME)", "CAST(a AS CHAR)"},
	// Functions.
	{"combined", "INSERT INTO t SELECT host, «GROUP_CONCAT(path)» AS a FROM events GROUP BY host", "COUNT(*)"},
	{"combined", "INSERT INTO t SELECT host, «GROUP_CONCAT(path)» AS a FROM events GROUP BY host", "GROUP_CONCAT(DISTINCT `path`)"},
	{"combined", "INSERT INTO t SELECT host, «GROUP_CONCAT(DISTINCT bytes)» AS a FROM events GROUP BY host", "GROUP_CONCAT(DISTINCT CAST(bytes AS CHAR))"},
	{"combined", "INSERT INTO t SELECT host, «GROUP_CONCAT(DISTINCT path ORDER BY path DESC)» AS a FROM events GROUP BY host", "GROUP_CONCAT(DISTINCT `path` ORDER BY `path`)"},
	{"combined", "INSERT INTO t SELECT «NOW()» AS a FROM events", "_timestamp"},
	{"combined", "INSERT INTO t SELECT «UTC_TIMESTAMP()» AS a FROM events", "_event_time"},
	{"combined", "INSERT INTO t SELECT «UUID() AS a» FROM events", "_topic, _partition, _offset"},
	{"combined", "INSERT INTO t SELECT «LEFT(path)» AS a FROM events", "LEFT(path, 100)"},
	{"combined", "INSERT INTO t SELECT «SUBSTRING_INDEX(path, host, 1)» AS a FROM events", "SUBSTRING_INDEX(path, '?', 1)"},
	{"combined", "INSERT INTO t SELECT «header(host)» AS a FROM events", "HEADER('host')"},
	{"combined", "INSERT INTO t SELECT ROUND(«CAST(status AS DOUBLE)», 2) AS a FROM events", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(p,s))"},
	{"combined", "INSERT INTO t SELECT INTERVAL(bytes, «CAST('1e2' AS DOUBLE)») AS l FROM events", "CAST(CAST('1e2' as DOUBLE) AS DECIMAL(p,s))"},
	{"json", "INSERT INTO t SELECT GREATEST(«a», b) AS l FROM events", "CAST(a AS DECIMAL(p,s))"},
	{"combined", "INSERT INTO t SELECT HEX(«bytes / 2») AS a FROM events", "CAST(bytes / 2 AS SIGNED)"},
	{"json", "INSERT INTO t SELECT HEX(«b») AS a FROM events", "CAST(b AS CHAR)"},
	{"combined", "INSERT INTO t SELECT LEFT(path, «2.5») AS a FROM events", "CAST(2.5 AS SIGNED)"},
	{"combined", "INSERT INTO t SELECT «ROW_NUMBER() OVER () AS a» FROM events", "_topic, _partition, _offset and _index"},
	{"combined", "INSERT INTO t SELECT «COUNT(*) OVER ()» AS a FROM events", "TUMBLE(time, INTERVAL n unit)"},
	{"combined", "INSERT INTO t SELECT «CAST(ts AS TIME)» AS a FROM events", "TIME_TO_SEC(ts)"},
	{"combined", "INSERT INTO t SELECT «CAST(agent AS JSON)» AS a FROM events", "JSON_EXTRACT(agent, '$')"},
	{"combined", "INSERT INTO t SELECT «CONVERT(agent, BINARY)» AS a FROM events", "agent"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE «BINARY »agent = 'a'", "leave it out"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE agent« COLLATE utf8mb4_bin» = 'a'", "leave it out"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE «agent COLLATE utf8mb4_general_ci» LIKE '%bot%'", "LOWER(agent)"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE agent LIKE 'a' «ESCAPE 'ab'»", "ESCAPE must be one character"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE agent ILIKE 'a' «ESCAPE 'A'»", "ESCAPE of ILIKE must be one character that is no letter"},
	{"json", "INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE «a. like» = '1'", "write it in backticks"},
	{"combined", "INSERT INTO t SELECT INET6_NTOA(«host») AS a FROM events", "INET6_ATON(host)"},
	{"json", "INSERT INTO t SELECT JSON_LENGTH(«a») AS a FROM events", "a->'$'"},
	{"json", "INSERT INTO t SELECT JSON_LENGTH(«a») AS a FROM events", "a->>'$'"},
	{"json", "INSERT INTO t SELECT JSON_LENGTH(«COALESCE(a, b)») AS a FROM events", "CAST(COALESCE(a, b) AS CHAR)"},
	{"combined", "INSERT INTO t SELECT JSON_CONTAINS(agent, «'a'») AS a FROM events", `'"text"'`},
	{"combined", "INSERT INTO t SELECT «JSON_CONTAINS(agent, '[1, 2]')» AS a FROM events", "JSON_CONTAINS for each text or number, with AND"},
	{"combined", "INSERT INTO t SELECT «JSON_KEYS(agent)» AS a FROM events", "JSON_EXTRACT(json, '$.name') IS NOT NULL"},
	{"combined", "INSERT INTO t SELECT «JSON_SEARCH(agent, 'one', 'text')» AS a FROM events", `JSON_CONTAINS(json, '"text"')`},
	{"combined", "INSERT INTO t SELECT «JSON_OBJECT('agent', agent) AS a» FROM events", "one column for each value"},
	{"combined", "INSERT INTO t SELECT «JSON_CONTAINS_PATH(agent, 'one', '$.a')» AS a FROM events", "JSON_EXTRACT(json, path) IS NOT NULL"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE IP_IN(host, «'10.0.0.1/8'»)", "'10.0.0.0/8'"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE IP_IN(host, «'10.*'»)", "'10.0.0.0/8'"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE path REGEXP '«\\\\d»+'", "[0-9]"},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE path REGEXP 'a«\\\\s»'", `[ \\t\\r\\n]`},
	{"combined", "INSERT INTO t SELECT host FROM events WHERE path REGEXP 'a«{»'", `\\{`},
	{"combined", "INSERT INTO t SELECT REGEXP_REPLACE(path, '(a)', '«\\\\1»') AS p FROM events", "$1"},
	{"combined", "INSERT INTO t SELECT REGEXP_REPLACE(path, '(a)', '«$»') AS p FROM events", `\\$`},
	// Aggregates and groups.
	{"combined", "INSERT INTO t SELECT host, «SUM(CAST(bytes AS DOUBLE))» AS s FROM events GROUP BY host", "SUM(CAST(CAST(bytes as DOUBLE) AS DECIMAL(p,s)))"},
	{"json", "INSERT INTO t SELECT h, «MIN(a->'$.b')» AS s FROM events GROUP BY h", "MIN(CAST(a -> '$.b' AS CHAR))"},
	{"combined", "INSERT INTO t SELECT host, «path» AS s, COUNT(*) AS n FROM events GROUP BY host", "MIN(`path`)"},
	{"combined", "INSERT INTO t SELECT host, «path» AS s, COUNT(*) AS n FROM events GROUP BY host", "MAX(`path`)"},
	{"combined", "INSERT INTO t SELECT host, «COUNT(*)» FROM events GROUP BY host", "COUNT(*) AS name"},
	{"combined", "INSERT INTO t SELECT host«» FROM events GROUP BY host", "COUNT(*) AS n"},
	{"combined", "INSERT INTO t SELECT «DISTINCT host FROM events»", "GROUP BY with COUNT(*)"},
	{"combined", "INSERT INTO t SELECT host, «SUM(DISTINCT bytes) AS n FROM events GROUP BY host»", "group by the value too"},
	{"combined", "INSERT INTO t SELECT host, «APPROX_PERCENTILE(CAST(bytes AS DOUBLE), 0.5)» AS n FROM events GROUP BY host", "APPROX_PERCENTILE(CAST(CAST(bytes as DOUBLE) AS DECIMAL(p,s)), 0.5)"},
	{"combined", "INSERT INTO t SELECT host, COUNT(DISTINCT path) AS n, «COUNT(*) AS n__state» FROM events GROUP BY host", "give that another alias"},
	{"combined", "INSERT INTO t SELECT host, «STDDEV(CAST(bytes AS DOUBLE))» AS a FROM events GROUP BY host", "STDDEV(CAST(CAST(bytes as DOUBLE) AS DECIMAL(p,s)))"},
	{"json", "INSERT INTO t SELECT COALESCE(h, '') AS h, «VAR_POP(a + 1)» AS s FROM events GROUP BY h", "VAR_POP(CAST(a + 1 AS DECIMAL(p,s)))"},
	{"combined", "INSERT INTO t SELECT host, «STD(CAST(bytes AS DECIMAL(30,20)))» AS a FROM events GROUP BY host", "STD(CAST(CAST(bytes as DECIMAL(30, 20)) AS DECIMAL(p,15)))"},
	{"combined", "INSERT INTO t SELECT host, «BIT_OR(bytes / 2)» AS a FROM events GROUP BY host", "BIT_OR(CAST(bytes / 2 AS SIGNED))"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events« WHERE STDDEV(bytes) > 1» GROUP BY host", "write them in SELECT"},
	{"json", "INSERT INTO t SELECT h, «MAX_BY(x, ms)» AS a FROM events GROUP BY h", "MAX_BY(x, CAST(ms AS DECIMAL(p,s)))"},
	{"json", "INSERT INTO t SELECT h, «MAX_BY(x, ms)» AS a FROM events GROUP BY h", "MAX_BY(x, CAST(ms AS CHAR))"},
	{"combined", "INSERT INTO t SELECT host, «MIN_BY(path, NULL)» AS a FROM events GROUP BY host", "FIRST(`path`)"},
	{"combined", "INSERT INTO t SELECT host, «MIN_BY(path, NULL)» AS a FROM events GROUP BY host", "LAST(`path`)"},
	{"combined", "INSERT INTO t SELECT host, «MIN_BY(path, MAX(bytes))» AS a FROM events GROUP BY host", "SUM(x) / COUNT(*)"},
	{"combined", "INSERT INTO t SELECT host, LAST(path) AS a, «COUNT(*) AS a__max» FROM events GROUP BY host", "give that another alias"},
	{"combined", "INSERT INTO t SELECT host, FIRST(path) AS x, MIN_BY(path, ts) AS y, FIRST(agent) AS z FROM events GROUP BY host; INSERT INTO t SELECT host, FIRST(path) AS x, MIN_BY(path, ts) AS y, «MIN_BY(agent, ts)» AS z FROM events GROUP BY host", "both must write the same aggregates"},
	// Expressions of aggregates.
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events« WHERE AVG(bytes) > 1» GROUP BY host", "write it in SELECT"},
	{"combined", "INSERT INTO t SELECT host, «SUM(SUM(bytes) / COUNT(*))» AS n FROM events GROUP BY host", "SUM(x) / COUNT(*)"},
	{"combined", "INSERT INTO t SELECT host, SUM(bytes) / «status» AS n FROM events GROUP BY host", "MIN(`status`)"},
	{"combined", "INSERT INTO t SELECT host, SUM(bytes) / COUNT(*) AS x, «SUM(status) AS x__1» FROM events GROUP BY host", "give that another alias"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) * «1e3» AS n FROM events GROUP BY host", "write it without an exponent"},
	{"combined", "INSERT INTO t SELECT host, «host LIKE '/a%' AND COUNT(*) > 3» AS n FROM events GROUP BY host", "COUNT(IF(host like '/a%', 1, NULL))"},
	{"combined", "INSERT INTO t SELECT host, «LENGTH(host) * COUNT(*)» AS n FROM events GROUP BY host", "write it within the aggregate"},
	{"combined", "INSERT INTO t SELECT host, «CAST(COUNT(*) AS DOUBLE)» AS n FROM events GROUP BY host", "CAST to SIGNED or DECIMAL(p,s)"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) + 1 AS n FROM events GROUP BY host; INSERT INTO t SELECT host, COUNT(*) + «2» AS n FROM events GROUP BY host", "write the same expression"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) + 1 AS n FROM events GROUP BY host; INSERT INTO t SELECT host, «COUNT(*) AS n__1» FROM events GROUP BY host", "it computes other columns of t than an earlier statement: statements into one table write the same columns"},
	// Names.
	{"combined", "INSERT INTO t SELECT LEFT(path, 9) AS p, COUNT(*) AS n FROM events WHERE «p» = '/' GROUP BY p", "LEFT(`path`, 9)"},
	{"json", "INSERT INTO t SELECT COALESCE(LEFT(uri, 9), '') AS p, COUNT(*) AS n FROM events WHERE «p» = '/' GROUP BY p", "COALESCE(LEFT(uri, 9), '')"},
	{"json", "INSERT INTO t SELECT COALESCE(LEFT(uri, 9), '') AS p, COUNT(*) AS n FROM events WHERE «p» = '/' GROUP BY p", "events.p"},
	{"combined", "INSERT INTO t SELECT LEFT(path, 9) AS p, «p» AS q FROM events", "LEFT(`path`, 9)"},
	{"combined", "INSERT INTO t SELECT «hots» AS q FROM events", "host"},
	{"json", "INSERT INTO t SELECT «key» AS q FROM events", "`key`"},
	{"json", "INSERT INTO t SELECT «a->>'$.user-agent'» AS q FROM events", `$."user-agent"`},
	// Elements.
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «CHAR(5)» PATH '$')) x", "VARCHAR(n)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «DATE» PATH '$')) x", "DATETIME(n)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «FLOAT» PATH '$')) x", "DECIMAL(p,s)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «DECIMAL(5,6)» PATH '$')) x", "DECIMAL(p,s)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «NUMERIC(50)» PATH '$')) x", "NUMERIC(p,s)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «VARCHAR(20000)» PATH '$')) x", "VARCHAR(n)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «DATETIME(7)» PATH '$')) x", "DATETIME(n)"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k «TEXT EXISTS PATH» '$')) x", "INT EXISTS PATH"},
	{"combined", "INSERT INTO t SELECT «k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k INT PATH '$' DEFAULT 1 ON EMPTY)) x»", "write COALESCE(k, value)"},
	{"combined", "INSERT INTO t SELECT x.host FROM events JOIN JSON_TABLE(path, '$' COLUMNS (host TEXT PATH '$')) x WHERE «host» = 'a'", "events.host"},
	{"combined", "INSERT INTO t SELECT x.host FROM events JOIN JSON_TABLE(path, '$' COLUMNS (host TEXT PATH '$')) x WHERE «host» = 'a'", "x.host"},
	{"combined", "INSERT INTO t SELECT «k» FROM events JOIN JSON_TABLE(path, '$' COLUMNS (k INT PATH '$')) x JOIN JSON_TABLE(path, '$' COLUMNS (k INT PATH '$')) y", "x.k"},
	{"combined", "INSERT INTO t SELECT p FROM «SPLIT(path, '/') AS p»", "write FROM events, and then the function"},
	{"combined", "INSERT INTO t SELECT p FROM events LEFT JOIN SPLIT(path, '/') AS p ON «p = 'a'»", "write ON TRUE, and the condition in WHERE"},
	{"combined", "INSERT INTO t SELECT p FROM events JOIN «EXPLODE(path) AS p»", "SPLIT(text, separator) AS name"},
	{"combined", "INSERT INTO t SELECT p FROM events JOIN «SPLIT(path) AS p»", "SPLIT(text, separator) AS name"},
	{"combined", "INSERT INTO t SELECT n FROM events JOIN «UNNEST(path, '/') AS n»", "UNNEST(array) AS name"},
	{"combined", "INSERT INTO t SELECT n FROM events JOIN «UNNEST(*) AS n»", "UNNEST(array) AS name"},
	{"combined", "INSERT INTO t SELECT n FROM events JOIN «UNNEST(path)»", "UNNEST(`path`) AS name"},
	{"combined", "INSERT INTO t SELECT k FROM events JOIN JSON_TABLE(path, '$' COLUMNS (k JSON PATH «'$')) x WHERE x.k->>'$.a' = 1»", "write the path in COLUMNS"},
	{"combined", "INSERT INTO t SELECT k FROM «(SELECT path FROM events) AS s JOIN UNNEST(path) k»", "write FROM events, and the expressions"},
	// Statements.
	{"combined", "REPLACE INTO t SELECT host, status FROM events«»", "GROUP BY"},
	{"combined", "REPLACE INTO t SELECT host« FROM events GROUP BY host»", "select one"},
	{"combined", "«REPLACE» INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host", "INSERT"},
	{"combined", "REPLACE INTO t SELECT host, «status AS etl__last» FROM events GROUP BY host", "give it another alias"},
	{"combined", "REPLACE INTO t SELECT host, status FROM events GROUP BY host; «INSERT INTO t SELECT host, MAX(status) AS status» FROM events GROUP BY host", "begin with the same words"},
	{"combined", "«INSERT INTO» t SELECT host, path, COUNT(*) AS n FROM events GROUP BY host", "REPLACE INTO"},
	{"combined", "INSERT IGNORE INTO t SELECT host, path FROM events«»", "GROUP BY"},
	{"combined", "«INSERT IGNORE INTO t SELECT host, COUNT(*) AS n» FROM events GROUP BY host", "write INSERT INTO, and FIRST(x)"},
	{"combined", "WITH a AS (SELECT 1 AS x «FROM logs») INSERT INTO t SELECT x FROM a", "FROM events"},
	{"combined", "INSERT INTO t SELECT host FROM («SELECT host FROM events UNION SELECT path FROM events») x", "SELECT … FROM events"},
	{"combined", "INSERT INTO t SELECT host FROM («SELECT host FROM events UNION SELECT path FROM events») x", "write one INSERT … SELECT for each SELECT"},
	{"combined", "INSERT INTO t SELECT path FROM (SELECT «*, host» FROM events) x", "name the columns that are used"},
	{"combined", "INSERT INTO t SELECT n FROM (SELECT «LOWER(path)» FROM events) x", "LOWER(`path`) AS name"},
	{"combined", "INSERT INTO t SELECT h FROM (SELECT «*» FROM events) x (h)", "name them in SELECT"},
	{"json", "INSERT INTO t SELECT u FROM (SELECT LOWER(uri) AS u FROM events WHERE «u» = '/') x", "LOWER(uri)"},
	{"json", "INSERT INTO t SELECT u FROM (SELECT LOWER(uri) AS u FROM events WHERE «u» = '/') x", "events.u"},
	{"json", "INSERT INTO t SELECT LOWER(uri) AS u FROM (SELECT * FROM events) x WHERE «u» = '/'", "x.u"},
	{"combined", "INSERT INTO t SELECT h, COUNT(*) AS n FROM (SELECT host AS h«, HOP(ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE) AS w» FROM events) x GROUP BY h", "write it in the outer SELECT and its GROUP BY"},
	// HAVING and groups.
	{"combined", "INSERT INTO t SELECT host FROM events «HAVING» host <> ''", "write the condition in WHERE"},
	{"combined", "REPLACE INTO t SELECT host, status, COUNT(*) AS n FROM events GROUP BY host« HAVING n > 3»", "leave HAVING out"},
	{"combined", "INSERT INTO t SELECT host AS h, status AS s, COUNT(*) AS «status FROM events GROUP BY h, s HAVING status» > 3", "give the alias another name"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING «bytes» > 5", "MIN(bytes)"},
	{"combined", "INSERT INTO t SELECT «UPPER(h)» AS h, n FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x", "select it in the subquery, as an item of its GROUP BY, or write it when you select from t"},
	{"combined", "INSERT INTO t SELECT h, COUNT(*) AS c FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x GROUP BY h HAVING «n» > 3", "MAX(n)"},
	{"combined", "INSERT INTO t SELECT h, «STDDEV»(n) AS d FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x GROUP BY h", "AVG of one column"},
	{"combined", "INSERT INTO t SELECT h, SUM(n) / 2 AS c FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x GROUP BY h HAVING «c» > 3", "write the aggregate that it stands for"},
	{"combined", "INSERT INTO t SELECT h, n FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x WHERE «MAX(n) > 3»", "write it in the outer SELECT or HAVING"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3; INSERT INTO t SELECT path AS host, COUNT(*) AS n FROM events GROUP BY host« HAVING n > 4»", "both must write the same HAVING and outer SELECT"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host HAVING n > 3; INSERT INTO t SELECT path AS host, COUNT(*) AS n FROM events GROUP BY host«»", "statements into one table write the same HAVING and outer SELECT"},
	{"combined", "INSERT INTO t SELECT h, SUM(m) AS m FROM (SELECT h, «MAX(n)» AS m FROM (SELECT host AS h, path, COUNT(*) AS n FROM events GROUP BY h, path) x) y GROUP BY h", "one GROUP BY can be in a subquery, and one in the outermost SELECT"},
	// Sessions.
	{"combined", "INSERT INTO t «SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, host FROM events»", "SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"combined", "INSERT INTO t «SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, host, COUNT(*) AS n FROM events GROUP BY host»", "SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"combined", "INSERT INTO t «SELECT DATE(SESSION(ts, INTERVAL 1 HOUR)) AS s, COUNT(*) AS n FROM events GROUP BY s»", "SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"combined", "INSERT INTO t «SELECT SESSION_START(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n FROM events GROUP BY s»", "SELECT SESSION(time, INTERVAL n unit) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"combined", "INSERT INTO t SELECT host, «SESSION_END(ts, INTERVAL 1 HOUR)» AS s FROM events GROUP BY host", "MAX(time)"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, «30») AS s, COUNT(*) AS n FROM events GROUP BY s", "INTERVAL 30 MINUTE"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 «MONTH») AS s, COUNT(*) AS n FROM events GROUP BY s", "WEEK"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n«, SESSION(ts, INTERVAL 2 HOUR) AS r FROM events GROUP BY s, r»", "write one statement for each, into tables of their own"},
	{"combined", "INSERT INTO t «SELECT COUNT(*) AS n FROM (SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, host, COUNT(*) AS n FROM events GROUP BY s, host) x»", "write it when you select from t"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, «host AS Etl__Start», COUNT(*) AS n FROM events GROUP BY 1, 2", "give that of SELECT another alias"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, «host AS s__3600s», COUNT(*) AS n FROM events GROUP BY 1, 2", "which another item of SELECT has: give that another alias"},
	{"combined", "INSERT INTO t SELECT «SESSION(ts, INTERVAL 1 HOUR) AS s, COUNT(DISTINCT path)» AS n FROM events GROUP BY s", "write it in a statement with TUMBLE in place of SESSION"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, AVG(bytes) AS mean FROM events GROUP BY s HAVING «mean» > 5", "write the expression"},
	{"combined", "INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n FROM events GROUP BY s« HAVING s > 5»", "write the condition when you select from t"},
	{"combined", "INSERT INTO t SELECT h, COUNT(*) AS n FROM (SELECT host AS h«, SESSION(ts, INTERVAL 1 HOUR) AS w» FROM events) x GROUP BY h", "write it in the outer SELECT and its GROUP BY"},
	{"combined", "REPLACE INTO t SELECT «SESSION(ts, INTERVAL 1 HOUR) AS s, host» FROM events GROUP BY s", "REPLACE takes neither HAVING, SESSION nor"},
	{"combined", "«SELECT 1»", "INSERT INTO table SELECT … FROM events GROUP BY …"},
	{"combined", "«INSERT INTO t VALUES (1)»", "INSERT INTO table SELECT … FROM events"},
	{"combined", "INSERT INTO t SELECT host «FROM logs»", "FROM events"},
	{"combined", "«»", "INSERT INTO table SELECT … FROM events GROUP BY …"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host« ON DUPLICATE KEY UPDATE n = 1»", "leave it out"},
	{"combined", "INSERT INTO t SELECT host FROM events «UNION SELECT path AS host FROM events»", "several statements may write to one table"},
	{"combined", "INSERT INTO t SELECT «*» FROM events", "name the columns"},
	{"combined", "INSERT INTO t SELECT LEFT(path, «?») AS l FROM events", "write the value"},
	{"combined", "INSERT INTO t SELECT «CONV(host, 10, 99)» AS l FROM events", "CONV('ff', 16, 10)"},
	{"combined", "INSERT INTO t (host«») SELECT host, path FROM events", "lists 1 columns, SELECT has 2"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host«, host»", "the column is listed twice"},
	{"combined", "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY «3»", "SELECT has 2 items"},
	{"combined", "INSERT INTO t SELECT host«», COUNT(*) AS n FROM events GROUP BY host, path", "add it to SELECT"},
	{"combined", "INSERT INTO t SELECT host, «SUM(bytes) AS bytes» FROM events GROUP BY host, bytes", "another alias"},
	{"combined", "INSERT INTO t SELECT host, «SUM(*)» AS s FROM events GROUP BY host", "expected COUNT(*), or SUM of an expression"},
	{"combined", "INSERT INTO t SELECT host AS «_index» FROM events", "write it to another column"},
	{"combined", "INSERT INTO t SELECT host FROM events; INSERT INTO «T» SELECT host FROM events", "write one name"},
	{"combined", "INSERT INTO t SELECT host FROM events; INSERT INTO t SELECT «host, path» FROM events", "write the same columns"},
	{"combined", "INSERT INTO t SELECT host FROM events; INSERT INTO t SELECT «path» FROM events", "write the same columns"},
	{"combined", "INSERT INTO t SELECT LEFT(path, «900») AS p, host, COUNT(*) AS n FROM events GROUP BY p, host", "cut its texts shorter with LEFT(text, n)"},
	{"json", "INSERT INTO t SELECT a->>'$«**.b»' AS l FROM events", "write the whole path"},
	{"json", "INSERT INTO t SELECT a->>'$«.*»' AS l FROM events", "write the name"},
	{"json", "INSERT INTO t SELECT a->>'$«[*]»' AS l FROM events", "write [n], [last] or [last-n]"},
	{"combined", "INSERT INTO t SELECT CAST(status AS «DECIMAL(50,2)») AS l FROM events", "DECIMAL(p,s)"},
	{"combined", "INSERT INTO t SELECT CAST(ts AS «DATETIME(9)») AS l FROM events", "DATETIME(n)"},
	// Joined tables.
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, b «DATE»); INSERT INTO t SELECT b FROM events JOIN hosts h ON name = host", "DATETIME(n)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, b «JSON»); INSERT INTO t SELECT b FROM events JOIN hosts h ON name = host", "VARCHAR(n)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON name = «status»", "CAST(`status` AS CHAR)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON d = «status»", "FROM_UNIXTIME(`status`)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON d = «agent»", "CAST(agent AS DATETIME)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON n = «agent»", "CAST(agent AS SIGNED)"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON n = «CAST(status AS DOUBLE)»", "CAST(CAST(`status` as DOUBLE) AS DECIMAL(p,s))"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN «(SELECT host FROM events)» h ON name = agent", "write JOIN and the name of a table of MySQL"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN «hosts h»", "write ON h.column = expression"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON name = host AND «n > 5»", "write other conditions in WHERE"},
	{"combined", "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), n INT UNIQUE, d DATETIME UNIQUE); INSERT INTO t SELECT team FROM events JOIN hosts h ON «team = host»", "the condition must compare all columns of a PRIMARY KEY or UNIQUE KEY"},
	{"combined", "CREATE TABLE g (network VARCHAR(43) PRIMARY KEY, c CHAR(2)); INSERT INTO t SELECT c FROM events JOIN g ON IP_IN(host, network)« AND c» = 'de'", "it must be the whole condition: write other conditions in WHERE"},
	{"combined", "«INSERT INTO t SELECT team FROM events JOIN hosts h ON name = host»", "write CREATE TABLE `hosts` (column type, …, PRIMARY KEY (column)); in front of the statement"},
}

// otherAdvices holds texts with advice in errors of Bind and in reasons of dead letters.
var otherAdvices = []struct{ message, format, after string }{
	{"write %s(CAST(%s AS DECIMAL(p,s))) for numbers", "json", "INSERT INTO t SELECT h, MAX(CAST(a AS DECIMAL(20,3))) AS s FROM events GROUP BY h"},
	{"or write COALESCE within the aggregate", "combined", "INSERT INTO t SELECT host, SUM(COALESCE(bytes, 0)) AS s, MIN(COALESCE(bytes, 0)) AS m FROM events GROUP BY host"},
	{"write CAST(… AS …) with %d digits, or change the column", "combined", "INSERT INTO t SELECT CAST(_timestamp AS DATETIME(0)) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"but %s has more: write LEFT(%s, %d)", "combined", "INSERT INTO t SELECT LEFT(path, 255) AS p, SESSION(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n FROM events GROUP BY p, s"},
	{"(LEFT(text, %d) cuts)", "combined", "INSERT INTO t SELECT LEFT(path, 20) AS s, COUNT(*) AS n FROM events GROUP BY s"},
	{"CAST(%s AS DECIMAL(p,s)) reads numbers in quotes too", "json", "INSERT INTO t SELECT COALESCE(h, '') AS h, SUM(CAST(`key`.`a b` AS DECIMAL(20,3))) AS s FROM events GROUP BY h"},
	{"use FIRST(x), LAST(x), MIN_BY(x, y) or MAX_BY(x, y), which compare times", "json", "INSERT INTO t SELECT k, FIRST(x) AS f, LAST(x) AS l, MIN_BY(x, _offset) AS lo, MAX_BY(x, _offset) AS hi FROM events GROUP BY k"},
	{"so its column is JSON: write %s", `first-of(avro('{"type":"record","name":"R","fields":[{"name":"labels","type":{"type":"map","values":"string"}}]}'), raw)`, `INSERT INTO t SELECT labels->>'$."n"' AS n, COUNT(*) AS c FROM events GROUP BY n`}, // TestAvro_nestedFields has the message
	{"group by TUMBLE(ts, INTERVAL 1 HOUR), or leave the option out", "combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h"},
}

// filled holds what a user would write for the placeholders of an advice, in the order in which they are replaced.
var filled = []string{
	"TUMBLE(time, ", "TUMBLE(ts, ", "HOP(time, ", "HOP(ts, ", "SESSION(time, ", "SESSION(ts, ", "MAX(time)", "MAX(ts)", "DATE_FORMAT(time, ", "DATE_FORMAT(ts, ", "TO_SEC(time)", "TO_SEC(ts)", "n unit", "5 MINUTE", "p,s", "20,3", "p,15", "38,15", "(seconds)", "(status)", "CONCAT(a, b)", "CONCAT(host, path)",
	"(text, n)", "(path, 20)", "(text, delimiter, n)", "(path, '/', 1)", "SUM(x)", "SUM(bytes)", "SUM(x * x)", "SUM(bytes * bytes)",
	"COUNT(x)", "COUNT(bytes)", "(array)", "(path)", "(text, separator) AS name", "(path, '/') AS p", "UNNEST(path) AS name", "UNNEST(path) AS p", "AS name", "AS n",
}

// asWritten holds the text of the query for advice that cannot be inserted as it is.
var asWritten = map[string]string{
	"combined.ts or syslog.ts or logfmt.ts":                   "syslog.ts",
	"ESCAPE of ILIKE must be one character that is no letter": "ESCAPE '|'",
	"write it in backticks":                                   "a.`like`",
	"ESCAPE must be one character":                            "ESCAPE 'a'",
	"JSON_CONTAINS for each text or number, with AND":         "JSON_CONTAINS(agent, '1') AND JSON_CONTAINS(agent, '2')",
	"JSON_EXTRACT(json, '$.name') IS NOT NULL":                "JSON_EXTRACT(agent, '$.name') IS NOT NULL",
	`JSON_CONTAINS(json, '"text"')`:                           `JSON_CONTAINS(agent, '"text"')`,
	"one column for each value":                               "agent",
	"JSON_EXTRACT(json, path) IS NOT NULL":                    "JSON_EXTRACT(agent, '$.a') IS NOT NULL",
	"COUNT(*) AS n":                                           ", COUNT(*) AS n",
	"GROUP BY with COUNT(*)":                                  "host, COUNT(*) AS n FROM events GROUP BY host",
	"group by the value too":                                  "path, COUNT(*) AS n FROM events GROUP BY host, path",
	"INSERT INTO table SELECT … FROM events":                  "INSERT INTO t SELECT host FROM events",
	"INSERT INTO table SELECT … FROM events GROUP BY …":       "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host",
	"_topic, _partition, _offset":                             "_topic, _partition AS p, _offset AS o",
	"_topic, _partition, _offset and _index":                  "_topic, _partition AS p, _offset AS o, _index",
	"GROUP BY":                                                " GROUP BY host",
	"select one":                                              ", status FROM events GROUP BY host",
	"give it another alias":                                   "status AS last",
	"begin with the same words":                               "REPLACE INTO t SELECT host, status",
	"leave it out":                                            "",
	"several statements may write to one table":               "; INSERT INTO t SELECT path AS host FROM events",
	"name the columns":                                        "host, path",
	"write COALESCE(k, value)":                                "COALESCE(k, 1) AS k FROM events JOIN JSON_TABLE(path, '$[*]' COLUMNS (k INT PATH '$')) x",
	"VARCHAR(n)":                                              "VARCHAR(20)",
	"write FROM events, and then the function":                "events, SPLIT(path, '/') AS p",
	"write ON TRUE, and the condition in WHERE":               "TRUE WHERE p = 'a'",
	"write the path in COLUMNS":                               "'$.a')) x WHERE k = 1",
	"write FROM events, and the expressions":                  "events JOIN UNNEST(path) k",
	"write a longer slide":                                    "INTERVAL 1 HOUR",
	"write the value":                                         "5",
	"lists 1 columns, SELECT has 2":                           ", path",
	"the column is listed twice":                              "",
	"SELECT has 2 items":                                      "1",
	"add it to SELECT":                                        ", path",
	"another alias":                                           "COALESCE(bytes, 0) AS bytes, SUM(bytes) AS s",
	"expected COUNT(*), or SUM of an expression":              "SUM(bytes)",
	"write it to another column":                              "i",
	"a second CREATE TABLE of t: write one":                   "",
	"write CREATE TABLE first":                                "CREATE TABLE t (host INT); INSERT INTO t SELECT host FROM events",
	"leave CREATE TABLE out":                                  "",
	"write one name":                                          "t",
	"write the same columns":                                  "host",
	"cut its texts shorter with LEFT(text, n)":                "200",
	"write the whole path":                                    ".a.b",
	"write the name":                                          ".a",
	"write [n], [last] or [last-n]":                           "[last-1]",
	"write it in SELECT":                                      "",
	"write them in SELECT":                                    "",
	"give that another alias":                                 "SUM(status) AS y",
	"write it without an exponent":                            "1000",
	"write it within the aggregate":                           "SUM(LENGTH(host))",
	"CAST to SIGNED or DECIMAL(p,s)":                          "CAST(COUNT(*) AS DECIMAL(20,3))",
	"write the same expression":                               "1",
	"write INSERT INTO, and FIRST(x)":                         "INSERT INTO t SELECT host, FIRST(path) AS p",
	"both must write the same aggregates":                     "FIRST(agent)",
	"it computes other columns of t than an earlier statement: statements into one table write the same columns": "COUNT(*) + 1 AS n",
	"DECIMAL(p,s)":         "DECIMAL(20,3)",
	"DATETIME(n)":          "DATETIME(3)",
	"SELECT … FROM events": "SELECT host FROM events",
	"write one INSERT … SELECT for each SELECT": "SELECT host FROM events",
	"name the columns that are used":            "path",
	"name them in SELECT":                       "host",
	"AVG of one column":                         "AVG",
	"write the condition in WHERE":              "WHERE",
	"leave HAVING out":                          "",
	"give the alias another name":               "n FROM events GROUP BY h, s HAVING n",
	"select it in the subquery, as an item of its GROUP BY, or write it when you select from t": "h",
	"write the aggregate that it stands for":                                                    "SUM(n) / 2",
	"write it in the outer SELECT or HAVING":                                                    "n > 3",
	"both must write the same HAVING and outer SELECT":                                          " HAVING n > 3",
	"statements into one table write the same HAVING and outer SELECT":                          " HAVING n > 3",
	"one GROUP BY can be in a subquery, and one in the outermost SELECT":                        "n",
	"write it in the outer SELECT and its GROUP BY":                                             "",
	"write one statement for each, into tables of their own":                                    " FROM events GROUP BY s; INSERT INTO u SELECT SESSION(ts, INTERVAL 2 HOUR) AS r, COUNT(*) AS n FROM events GROUP BY r",
	"write it when you select from t":                                                           "SELECT SESSION(ts, INTERVAL 1 HOUR) AS s, host, COUNT(*) AS n FROM events GROUP BY s, host",
	"give that of SELECT another alias":                                                         "host",
	"which another item of SELECT has: give that another alias":                                 "host",
	"write it in a statement with TUMBLE in place of SESSION":                                   "TUMBLE(ts, INTERVAL 1 HOUR) AS s, COUNT(DISTINCT path)",
	"write the expression":                                                                      "AVG(bytes)",
	"write the condition when you select from t":                                                "",
	"REPLACE takes neither HAVING, SESSION nor":                                                 "TUMBLE(ts, INTERVAL 1 HOUR) AS s, host",
	`$."user-agent"`: `a->>'$."user-agent"'`,

	// Joined tables.
	"it must be the whole condition: write other conditions in WHERE":                              " WHERE c",
	"write JOIN and the name of a table of MySQL":                                                  "hosts",
	"write ON h.column = expression":                                                               "hosts h ON h.name = host",
	"write other conditions in WHERE":                                                              "h.n = 1 WHERE n > 5",
	"the condition must compare all columns of a PRIMARY KEY or UNIQUE KEY":                        "name = host",
	"write CREATE TABLE `hosts` (column type, …, PRIMARY KEY (column)); in front of the statement": "CREATE TABLE hosts (name VARCHAR(64), team VARCHAR(20), PRIMARY KEY (name)); INSERT INTO t SELECT team FROM events JOIN hosts h ON name = host",
}

func follow(query, write string) string {
	before, rest, _ := strings.Cut(query, "«")
	part, after, _ := strings.Cut(rest, "»")
	text, ok := asWritten[write]
	if !ok {
		text = strings.NewReplacer(append(slices.Clone(filled), "…", part)...).Replace(write)
	}
	return before + text + after
}

// Every advice is in the error of a query, and a query that follows it compiles.
func TestAdvice_compiles(t *testing.T) {
	t.Parallel()
	for _, c := range advices {
		o := DefaultOptions()
		o.Format = c.format
		_, err := Compile(strings.NewReplacer("«", "", "»", "").Replace(c.query), o)
		if err == nil {
			t.Errorf("%s: got no error, expected one with advice", c.query)
			continue
		}
		if !strings.Contains(err.Error(), c.write) {
			t.Errorf("%s: the error does not say %q: %v", c.query, c.write, err)
			continue
		}
		after := follow(c.query, c.write)
		if _, err := Compile(after, o); err != nil {
			t.Errorf("%s:\n  advised %s\n  so %s\n  rejected: %v", c.query, c.write, after, err)
		}
	}
	for _, c := range otherAdvices {
		o := DefaultOptions()
		o.Format = c.format
		if _, err := Compile(c.after, o); err != nil {
			t.Errorf("advised %s\n  so %s\n  rejected: %v", c.message, c.after, err)
		}
	}
}

// noAdvice holds texts that look like advice.
var noAdvice = []string{
	"MAX(CASE WHEN %s = %s THEN %s END)", // SQL of a view
	// TestRetained has these, which are about an option.
	"its outer SELECT merges groups, so totals over deleted and stored windows would look whole",
	"must be for tables with TUMBLE, HOP or DATE as a column of GROUP BY, got %s: %s; name the tables whose windows are to be deleted, such as hits=90d, or add a window to GROUP BY",
	"the record's timestamp in Kafka is not a time in milliseconds since 1970 between the years 1000 and 9999: its producer may write microseconds or nanoseconds",
	"it looks like an Avro container file, which Flume does not write to Kafka",
	"column %s: the value has %d bytes, a BINARY(%d) column fills it up with zero bytes: %s",
	"the same as `LOCATE(part, text)`",
	"the number of the week in ISO 8601, as `WEEK(time, 3)`",
	"TIMESTAMPDIFF(unit, from, to)",
	"LOG([base, ]x)",
	"TRIM([[LEADING | TRAILING] pattern FROM] text)",
	// The parser rejects these first.
	"CHAR(n) takes a number of characters",
	"expected CAST to SIGNED, UNSIGNED, DECIMAL(p,s), CHAR(n), DATE, DATETIME or DOUBLE",
}

var (
	sqlText = regexp.MustCompile(`\bwrite |\b[A-Z]{3,}(_[A-Z]+)*\(|\b(GROUP BY|COUNT|SUM|INSERT INTO|SELECT)\b`)
	verb    = regexp.MustCompile(`%(\[\d+\])?[+#.0-9]*[a-z]`)
)

// Every message that contains SQL has a query in the table of advices.
func TestAdvice_isComplete(t *testing.T) {
	t.Parallel()
	var errs []string
	for _, c := range advices {
		o := DefaultOptions()
		o.Format = c.format
		if _, err := Compile(strings.NewReplacer("«", "", "»", "").Replace(c.query), o); err != nil {
			errs = append(errs, err.Error())
		}
	}
	all := strings.Join(errs, "\n")
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go", "../fold/*.go", "../fold/*/*.go"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	found := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || f == "computedsql.go" || f == "sessionview.go" { // whose texts are SQL for the server
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !sqlText.MatchString(text) || slices.Contains(noAdvice, text) {
				return true
			}
			found++
			parts := verb.Split(text, -1)
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			other := slices.ContainsFunc(otherAdvices, func(c struct{ message, format, after string }) bool { return strings.Contains(text, c.message) })
			if !other && !regexp.MustCompile(strings.Join(parts, ".*")).MatchString(all) {
				t.Errorf("%s: no query in advices is rejected with %q", f, text)
			}
			return true
		})
	}
	if found < 30 {
		t.Errorf("found %d messages, expected more", found)
	}
}

var advised = regexp.MustCompile(`: write (.+? <> ''|.+?\))(?: or .+\))?(?: first,|, which|, or another|; CONCAT| for seconds|$)`)

// Expressions of all kinds are put into all places of a query. Following the errors leads to a query that compiles, or
// to an error that has no advice for the same expression.
func TestAdvice_yieldsAValidQuery(t *testing.T) {
	t.Parallel()
	places := []string{
		"SELECT %s AS c FROM events", "SELECT %s AS c, COUNT(*) AS n FROM events GROUP BY c", "SELECT agent FROM events WHERE %s",
		"SELECT 'a' AS k, SUM(%s) AS s FROM events GROUP BY k", "SELECT 'a' AS k, MIN(%s) AS s FROM events GROUP BY k",
		"SELECT TUMBLE(%s, INTERVAL 1 DAY) AS c, COUNT(*) AS n FROM events GROUP BY c", "SELECT LEFT(%s, 3) AS c FROM events",
		"SELECT FROM_UNIXTIME(%s) AS c FROM events", "SELECT CAST(%s AS DATETIME) AS c, COUNT(*) AS n FROM events GROUP BY c",
		"SELECT CAST(%s AS SIGNED) AS c FROM events", "SELECT CAST(%s AS DOUBLE) AS c, COUNT(*) AS n FROM events GROUP BY c",
		"SELECT -%s AS c FROM events", "SELECT agent FROM events WHERE %s LIKE 'a%%'", "SELECT agent FROM events WHERE NOT %s",
		"SELECT agent FROM events WHERE CASE %s WHEN %s THEN 1 ELSE 0 END", "SELECT %s + %s AS c, COUNT(*) AS n FROM events GROUP BY c",
		"SELECT %s DIV %s AS c FROM events", "SELECT COALESCE(%s, %s) AS c, COUNT(*) AS n FROM events GROUP BY c",
		"SELECT IF(_partition = 1, %s, %s) AS c, COUNT(*) AS n FROM events GROUP BY c", "SELECT agent FROM events WHERE %s = %s",
		"SELECT agent FROM events WHERE %s IN (%s, 5)", "SELECT agent FROM events WHERE %s BETWEEN %s AND 'b'",
		"SELECT CASE _partition WHEN 1 THEN %s ELSE %s END AS c FROM events", "SELECT NULLIF(%s, %s) AS c, COUNT(*) AS n FROM events GROUP BY c",
	}
	kinds := []string{
		"host", "status", "ts", "bytes", "_timestamp", "_key", "header('a')", "'5'", "'2015-05-17 10:05:03'", "NULL", "5", "2.5", "1e3", "TRUE",
		"CAST(status AS DOUBLE)", "CAST(host AS DATETIME)", "TUMBLE(ts, INTERVAL 1 HOUR)", "(status > 5)", "(bytes / 3)",
	}
	ends := map[string]int{}
	for _, format := range []string{"combined", "json"} {
		o := DefaultOptions()
		o.Format = format
		for _, place := range places {
			for _, a := range kinds {
				for _, b := range kinds {
					two := strings.Count(place, "%s") == 2
					if two && (strings.Contains(a, b) || strings.Contains(b, a)) {
						continue // the text alone does not determine which of them the error is about
					}
					text := "INSERT INTO t " + strings.Replace(strings.Replace(strings.ReplaceAll(place, "%%", "%"), "%s", a, 1), "%s", b, 1)
					first := text
					var path []string
					for range 8 {
						_, err := Compile(text, o)
						if err == nil {
							ends["compiles"]++
							path = nil
							break
						}
						path = append(path, err.Error())
						m := advised.FindStringSubmatch(err.Error())
						if m == nil {
							if strings.Contains(err.Error(), "write") || strings.Contains(err.Error(), "syntax") {
								t.Errorf("%s: the last error has no advice that can be followed:\n%s", first, strings.Join(path, "\n"))
							}
							ends["ends"]++
							path = nil
							break
						}
						if st, err := parse.Statement(parse.Split(text)[0], nil); err == nil {
							text = st.Text
						}
						old, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "statement 1: "), ": ")
						write := strings.ReplaceAll(strings.ReplaceAll(m[1], "…", old), "p,s", "20,3")
						if !strings.Contains(text, old) {
							t.Errorf("%s: the error names %s, expected it to be in %s", first, old, text)
							break
						}
						text = strings.Replace(text, old, write, 1)
					}
					if path != nil {
						t.Errorf("%s: still an error after following all advice:\n%s", first, strings.Join(path, "\n"))
					}
					if !two {
						break
					}
				}
			}
		}
	}
	t.Log(ends)
}
