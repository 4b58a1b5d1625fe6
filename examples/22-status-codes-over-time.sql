-- 22. Response codes over time. As in Kibana [Logs Nginx], Response codes over time.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, status, COUNT(*) AS hits
FROM events
GROUP BY minute, status;
