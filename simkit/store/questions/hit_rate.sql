-- What share of claims did each preset's pool serve? hits, claims: counts. A preset without a pool is left out.
-- key: preset
SELECT
    c.run_id,
    p.preset,
    count(*) FILTER (WHERE c.hit) AS hits,
    count(*) AS claims,
    count(*) FILTER (WHERE c.hit) / count(*) AS hit_rate
FROM claims AS c
JOIN presets AS p USING (run_id, preset_id)
JOIN pooled USING (run_id, preset)
WHERE list_contains($runs, c.run_id)
GROUP BY c.run_id, p.preset
ORDER BY c.run_id, min(p.preset_id);
