-- 29. Server errors by hour and URL. As in Athena, ALB: elb_status_code >= 500.
INSERT INTO t SELECT DATE_FORMAT(ts, '%Y-%m-%d %H:00:00') AS hour, url, COUNT(*) AS n
FROM events
WHERE status BETWEEN 500 AND 599
GROUP BY hour, url;
