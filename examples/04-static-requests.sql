-- 4. Static requests. As in GoAccess, Static requests.
INSERT INTO t SELECT path, COUNT(*) AS hits, SUM(bytes) AS bytes
FROM events
WHERE LOWER(path) REGEXP '\\.(css|js|png|gif|jpe?g|ico|svg|woff2?)(\\?|$)'
GROUP BY path;
