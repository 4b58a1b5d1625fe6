-- 17. Days of the week. As in AWStats, Days of week.
-- 1 is Sunday. 2026-11-28 is a Saturday.
INSERT INTO t SELECT DAYOFWEEK(ts) AS weekday, COUNT(*) AS hits
FROM events
GROUP BY weekday;
