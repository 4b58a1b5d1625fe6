-- 36. URLs with their ids taken out. As in ClickHouse replaceRegexpAll; Datadog URL patterns.
INSERT INTO t SELECT REGEXP_REPLACE(SUBSTRING_INDEX(path, '?', 1), '/[0-9]+', '/:id') AS route, method,
    COUNT(*) AS hits
FROM events
GROUP BY route, method;
