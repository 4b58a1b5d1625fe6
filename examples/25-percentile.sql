-- 25. 95th percentile of the response time of each minute. As Kibana, Percentiles; ClickHouse, quantiles.
-- The value shown is within 0.79 % of the time at that rank.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, APPROX_PERCENTILE(time, 0.95) AS p95
FROM events
GROUP BY minute;
