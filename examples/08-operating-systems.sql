-- 8. Operating systems. As in GoAccess, Operating systems; Kibana [Logs Nginx], Operating systems breakdown.
INSERT INTO t SELECT CASE WHEN agent LIKE '%Windows%' THEN 'Windows' WHEN agent LIKE '%Android%' THEN 'Android' WHEN agent LIKE '%iPhone%' THEN 'iOS' WHEN agent LIKE '%Linux%' THEN 'Linux' ELSE 'other' END AS os, COUNT(*) AS hits
FROM events
GROUP BY os;
