-- 12. Status codes by class. As in GoAccess, HTTP status codes; Kibana, Response codes.
INSERT INTO t SELECT CONCAT(LEFT(status, 1), 'xx') AS class, status, COUNT(*) AS hits
FROM events
GROUP BY class, status;
