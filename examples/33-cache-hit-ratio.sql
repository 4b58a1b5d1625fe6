-- 33. Cache hit ratio by edge location. As in Athena, CloudFront standard logs; GoAccess cache status.
INSERT INTO t SELECT edge, SUM(CASE WHEN cache IN ('HIT', 'RefreshHit') THEN 1 ELSE 0 END) AS hits,
    COUNT(*) AS n, ROUND(100 * SUM(cache = 'HIT') / COUNT(*), 1) AS percent
FROM events
GROUP BY edge;
