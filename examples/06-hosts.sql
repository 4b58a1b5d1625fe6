-- 6. Client hosts: hits, bytes, first and last visit. As in GoAccess, Hosts; AWStats, Hosts.
INSERT INTO t SELECT host, COUNT(*) AS hits, SUM(bytes) AS bytes, MIN(ts) AS first, MAX(ts) AS last
FROM events
GROUP BY host;
