-- 2. Hits by hour of the day. As in GoAccess, Visit times; AWStats, Hours.
-- The hours are those of --time-zone.
INSERT INTO t SELECT HOUR(ts) AS hour, COUNT(*) AS hits
FROM events
GROUP BY hour;
