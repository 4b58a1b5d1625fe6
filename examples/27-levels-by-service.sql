-- 27. Log levels over time, by service. As in Kibana, Discover's histogram; Loki dashboards.
INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, service, level, COUNT(*) AS n
FROM events
GROUP BY minute, service, level;
