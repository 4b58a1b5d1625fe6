-- 10. Referring sites. As in GoAccess, Referring sites; AWStats, Origin; ClickHouse domain().
INSERT INTO t SELECT LOWER(SUBSTRING_INDEX(SUBSTRING_INDEX(referer, '/', 3), '//', -1)) AS site,
    COUNT(*) AS hits
FROM events
WHERE referer <> '-'
GROUP BY site;
