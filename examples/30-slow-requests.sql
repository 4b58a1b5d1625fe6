-- 30. Slow requests, one row each. As in Athena, ALB: target_processing_time > 5; MySQL slow log habits.
-- A row per record. Fields of JSON are text; a CAST makes numbers and times of them.
INSERT INTO t SELECT ts, url, client_ip, time
FROM events
WHERE time > 5;
