-- 3. Requested files without their query, hits and bytes, by method and protocol. As in GoAccess, Requests; AWStats, Pages-URL; ClickHouse cutQueryString.
INSERT INTO t SELECT SUBSTRING_INDEX(path, '?', 1) AS url, method, protocol, COUNT(*) AS hits,
    SUM(bytes) AS bytes
FROM events
WHERE path NOT LIKE '%.css'
GROUP BY url, method, protocol;
