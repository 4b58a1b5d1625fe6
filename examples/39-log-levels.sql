-- 39. Levels of plain application logs. As in Kibana, Grok patterns; Flume regex_extractor.
-- WHERE excludes lines that continue another, such as those of a stack trace.
INSERT INTO t SELECT TUMBLE(CAST(LEFT(body, 23) AS DATETIME), INTERVAL 1 MINUTE) AS minute,
    SUBSTRING_INDEX(SUBSTRING_INDEX(body, ' ', 3), ' ', -1) AS level, COUNT(*) AS n
FROM events
WHERE body LIKE '20__-%'
GROUP BY minute, level;
