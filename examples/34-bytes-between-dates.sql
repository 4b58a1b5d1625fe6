-- 34. Bytes between two dates. As in Athena, CloudFront: SUM(bytes) WHERE date BETWEEN DATE '…' AND DATE '…'.
INSERT INTO t SELECT 'all' AS k, SUM(bytes) AS bytes
FROM events
WHERE ts BETWEEN DATE '2015-05-01' AND DATE '2015-06-01'
GROUP BY k;
