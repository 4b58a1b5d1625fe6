-- 37. Campaigns: utm_source. As in Matomo and AWStats extra sections; Athena url_extract_parameter.
INSERT INTO t SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(path, 'utm_source=', -1), '&', 1) AS source,
    COUNT(*) AS hits
FROM events
WHERE path LIKE '%utm_source=%'
GROUP BY source;
