-- 9. Browsers with their major version. As in GoAccess, Browsers; Kibana [Logs Nginx], Browsers breakdown.
INSERT INTO t SELECT REGEXP_SUBSTR(agent, '(Chrome|Firefox)/[0-9]+') AS browser, COUNT(*) AS hits
FROM events
GROUP BY browser;
