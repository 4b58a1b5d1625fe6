-- 14. Cache, MIME type and TLS version. As in GoAccess, Cache status, MIME types, TLS settings.
INSERT INTO t SELECT cache, mime, tls, COUNT(*) AS hits
FROM events
GROUP BY cache, mime, tls;
