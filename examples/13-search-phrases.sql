-- 13. Search phrases. As in GoAccess, Keyphrases; AWStats, Keyphrases.
INSERT INTO t SELECT URL_DECODE(SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(referer, '?', -1), 'q=', -1), '&', 1)) AS phrase, COUNT(*) AS hits
FROM events
WHERE referer LIKE '%://www.google.%q=%'
GROUP BY phrase;
