-- 15. Time served: average, cumulative, slowest. As GoAccess, avg., cum. and max. T.S.
-- MAX compares numbers, because SUM reads the same field. A time in quotes is a dead letter.
INSERT INTO t SELECT COALESCE(url, '') AS url, AVG(time) AS average, SUM(time) AS total, MAX(time) AS slowest
FROM events
GROUP BY url;
