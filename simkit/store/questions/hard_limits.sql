-- When was a preset hard-limited, what ended it, and what did it cost? One row per span: until_at is NULL where nothing
-- ended it before the window did, ended_by says what did; misses: claims that found no prebuild meanwhile.
-- when: from_at until until_at or the end
SELECT
    l.run_id, p.preset, p.timezone, l.from_at, CASE WHEN l.ended_by IS NOT NULL THEN l.until_at END AS until_at, l.ended_by,
    (epoch_us(l.until_at) - epoch_us(l.from_at)) / 3.6e9 AS hours, l.failures,
    count(c.id) AS claims, count(c.id) FILTER (WHERE NOT c.hit) AS misses
FROM hard_limits AS l
JOIN presets AS p USING (run_id, preset_id)
LEFT JOIN claims AS c
    ON c.run_id = l.run_id AND c.preset_id = l.preset_id AND c.created_at >= l.from_at
    AND (c.created_at < l.until_at OR l.ended_by IS NULL)
WHERE list_contains($runs, l.run_id)
GROUP BY l.run_id, l.preset_id, p.preset, p.timezone, l.from_at, l.until_at, l.ended_by, l.failures
ORDER BY l.run_id, l.from_at, l.preset_id;
