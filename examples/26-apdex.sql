-- 26. Apdex. As in New Relic's definition, in Grafana and Kibana dashboards.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, SUM(time <= 0.5) AS satisfied,
    SUM(time > 0.5 AND time <= 2) AS tolerating, COUNT(time) AS n
FROM events
GROUP BY minute;
