-- 16. Months: visits, pages, hits, bytes. As in AWStats, Monthly history.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MONTH) AS month, COUNT(DISTINCT host) AS visitors,
    SUM(IF(path LIKE '%.html' OR path LIKE '%/', 1, 0)) AS pages, COUNT(*) AS hits, SUM(bytes) AS bytes
FROM events
GROUP BY month;
