-- 32. Clients over a limit in five minutes. As in fail2ban, and Athena: HAVING COUNT(*) > n. A real limit is more like 300.
-- All clients are counted in the table t__groups, and t is a view of those over the limit.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 5 MINUTE) AS five, host, COUNT(*) AS n
FROM events
GROUP BY five, host
HAVING COUNT(*) > 2;
