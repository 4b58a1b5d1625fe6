-- 35. S3: operations by requester, with errors. As in Athena, S3 server access logs.
INSERT INTO t SELECT requester, operation, COUNT(*) AS n, SUM(status >= 400) AS errors, SUM(bytes) AS bytes
FROM events
GROUP BY requester, operation;
