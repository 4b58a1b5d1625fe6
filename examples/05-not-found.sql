-- 5. URLs not found, and who links to them. As in GoAccess, Not found; AWStats, errors 404.
INSERT INTO t SELECT path, referer, COUNT(*) AS hits
FROM events
WHERE status = 404
GROUP BY path, referer;
