-- 20. Countries of client addresses. As in AWStats, Countries; GoAccess, Geo location; Kibana, Access map.
-- The table geo holds the networks of a database such as DB-IP Lite or GeoLite2, loaded with LOAD DATA. etl reads it
-- again every --lookup-refresh. The most specific network of an address wins.
CREATE TABLE geo (network VARCHAR(43) PRIMARY KEY, country CHAR(2) NOT NULL);

INSERT INTO t
SELECT COALESCE(g.country, '--') AS country, COUNT(*) AS hits
FROM events LEFT JOIN geo g ON IP_IN(host, g.network)
GROUP BY country;
