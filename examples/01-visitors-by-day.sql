-- 1. Hits, unique visitors and bandwidth of each day. As in GoAccess, panel Unique visitors.
INSERT INTO t SELECT DATE(ts) AS day, COUNT(*) AS hits, COUNT(DISTINCT host, agent) AS visitors,
    SUM(bytes) AS bytes
FROM events
GROUP BY day;
