-- 7. Hosts made anonymous to their /24. As in GoAccess, --anonymize-ip.
-- ANONYMIZE_IP(host) cuts IPv6 addresses, too.
INSERT INTO t SELECT CONCAT(SUBSTRING_INDEX(host, '.', 3), '.0') AS net, COUNT(*) AS hits
FROM events
GROUP BY net;
