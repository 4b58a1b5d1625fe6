-- 28. Exceptions by class. As in Kibana, Logs: top exceptions.
INSERT INTO t SELECT service, SUBSTRING_INDEX(exception, ':', 1) AS class, COUNT(*) AS n, MAX(ts) AS last
FROM events
WHERE exception IS NOT NULL
GROUP BY service, class;
