-- 11. Virtual hosts. As in GoAccess, Virtual hosts (Apache's vhost_combined).
-- The format is that of the server's configuration, see the test.
INSERT INTO t SELECT vhost, COUNT(*) AS hits, SUM(bytes) AS bytes
FROM events
GROUP BY vhost;
