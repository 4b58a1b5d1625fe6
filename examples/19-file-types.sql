-- 19. File types. As in AWStats, File types.
INSERT INTO t SELECT LOWER(SUBSTRING_INDEX(SUBSTRING_INDEX(path, '?', 1), '.', -1)) AS ext, COUNT(*) AS hits,
    SUM(bytes) AS bytes
FROM events
WHERE SUBSTRING_INDEX(path, '?', 1) LIKE '%.%'
GROUP BY ext;
