-- 40. Elements of an array. As BigQuery's UNNEST; Kibana, terms of an array field.
-- A record without tags, or whose tags are no array, makes no row; LEFT JOIN … ON TRUE would count it under NULL.
INSERT INTO t SELECT tag, COUNT(*) AS n
FROM events CROSS JOIN JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(50) PATH '$')) AS x
GROUP BY tag;
