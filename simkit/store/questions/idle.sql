-- When do prebuilds wait for somebody, and what does it cost? One row per preset and local hour of the week (weekday 0
-- is Monday): instance-hours between build and claim or deletion over the whole window.
SELECT
    b.run_id,
    p.preset,
    p.timezone,
    isodow(h.local_at) - 1 AS weekday,
    hour(h.local_at) AS hour,
    sum(least(epoch_us(h.until_at), epoch_us(coalesce(b.claimed_at, b.deleted_at, p.end_at)))
        - greatest(epoch_us(h.from_at), epoch_us(b.completed_at))) / 3.6e9 AS idle_instance_hours,
    any_value(p.cost_per_instance_hour) * sum(
        least(epoch_us(h.until_at), epoch_us(coalesce(b.claimed_at, b.deleted_at, p.end_at)))
        - greatest(epoch_us(h.from_at), epoch_us(b.completed_at))) / 3.6e9 AS idle_cost,
    any_value(p.currency) AS currency
FROM prebuilds AS b
JOIN presets AS p USING (run_id, preset_id)
JOIN local_hours AS h
    ON h.run_id = b.run_id AND h.timezone = p.timezone
    AND h.from_at < coalesce(b.claimed_at, b.deleted_at, p.end_at) AND h.until_at > b.completed_at
WHERE list_contains($runs, b.run_id) AND b.build_status = 'succeeded'
GROUP BY b.run_id, p.preset, p.timezone, isodow(h.local_at), hour(h.local_at)
ORDER BY b.run_id, min(p.preset_id), weekday, hour;
