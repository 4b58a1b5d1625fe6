-- 23. The same as MySQL's users write it. As in MySQL and Athena cookbooks: DATE_FORMAT, date_trunc, FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP())).
-- TUMBLE(ts, INTERVAL 5 MINUTE) is the same window.
INSERT INTO t SELECT FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP(ts) / 300) * 300) AS five, COUNT(*) AS hits
FROM events
GROUP BY five;
