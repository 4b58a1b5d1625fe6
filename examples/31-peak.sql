-- 31. Peak requests a second, of each minute. As in CloudWatch Logs Insights: peak requests per second.
-- The seconds are counted in the table t__groups, and t is a view of it.
INSERT INTO t SELECT TUMBLE(s, INTERVAL 1 MINUTE) AS minute, MAX(n) AS peak
FROM (SELECT TUMBLE(ts, INTERVAL 1 SECOND) AS s, COUNT(*) AS n FROM events GROUP BY s) x
GROUP BY minute;
