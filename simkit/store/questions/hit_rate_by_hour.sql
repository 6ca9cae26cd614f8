-- How do hit rate and waits change over the day? One row per preset and hour of its local day that had claims; waits in
-- seconds by nearest rank.
-- key: preset, hour
SELECT
    c.run_id,
    p.preset,
    p.timezone,
    hour(h.local_at) AS hour,
    count(*) AS claims,
    count(*) FILTER (WHERE c.hit) AS hits,
    count(*) FILTER (WHERE c.hit) / count(*) AS hit_rate,
    quantile_disc(epoch_us(c.ready_at) - epoch_us(c.created_at), 0.5) / 1e6 AS wait_p50_s,
    quantile_disc(epoch_us(c.ready_at) - epoch_us(c.created_at), 0.95) / 1e6 AS wait_p95_s
FROM claims AS c
JOIN presets AS p USING (run_id, preset_id)
JOIN pooled USING (run_id, preset)
ASOF JOIN local_hours AS h ON h.run_id = c.run_id AND h.timezone = p.timezone AND c.created_at >= h.from_at
WHERE list_contains($runs, c.run_id)
GROUP BY c.run_id, p.preset, p.timezone, hour(h.local_at)
ORDER BY c.run_id, min(p.preset_id), hour(h.local_at);
