-- 18. Robots, with their last visit. As in AWStats, Robots/Spiders.
INSERT INTO t SELECT SUBSTRING_INDEX(agent, ' ', 1) AS robot, COUNT(*) AS hits, SUM(bytes) AS bytes,
    MAX(ts) AS last
FROM events
WHERE LOWER(agent) LIKE '%bot%' OR LOWER(agent) LIKE '%spider%' OR path = '/robots.txt'
GROUP BY robot;
