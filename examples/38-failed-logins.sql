-- 38. Failed logins by user and address. As in Kibana [Logs System], SSH login attempts.
INSERT INTO t SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(body, ' from ', 1), ' ', -1) AS user,
    SUBSTRING_INDEX(SUBSTRING_INDEX(body, ' from ', -1), ' ', 1) AS addr, COUNT(*) AS n
FROM events
WHERE body LIKE '%sshd%Failed password%'
GROUP BY user, addr;
