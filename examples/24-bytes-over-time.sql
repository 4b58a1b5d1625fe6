-- 24. Data volume over time and by host. As in Kibana [Logs Nginx], Data volume.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 5 MINUTE) AS five, host, SUM(bytes) AS bytes
FROM events
GROUP BY five, host;
