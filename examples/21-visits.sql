-- 21. Visits: how long, when they begin and end, and on which pages. As in AWStats: Visits duration, Entry, Exit.
-- A visit ends where a host sends no request for an hour. The hours of each host are counted in the table t__groups, and
-- t is a view of it that joins them to visits.
INSERT INTO t SELECT SESSION(ts, INTERVAL 1 HOUR) AS visit, host, COUNT(*) AS pages, MIN(ts) AS began, MAX(ts) AS ended,
    MIN_BY(path, ts) AS entry_page, MAX_BY(path, ts) AS exit_page
FROM events
GROUP BY visit, host;
