-- When do prebuilds wait for somebody, and what does it cost? One row per preset and hour of the local week (weekday 0
-- is Monday): instance-hours between build and claim or deletion, and how many hours the window has there.
-- key: preset, weekday, hour
WITH hours AS (SELECT * FROM preset_hours WHERE list_contains($runs, run_id)),

waited AS (
    SELECT
        b.run_id, p.preset, isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour,
        any_value(p.cost_per_instance_hour) AS cost_per_instance_hour,
        sum(least(epoch_us(h.until_at), epoch_us(coalesce(b.claimed_at, b.deleted_at, p.end_at)))
            - greatest(epoch_us(h.from_at), epoch_us(b.completed_at))) AS idle_us
    FROM prebuild_spans AS b
    JOIN presets AS p USING (run_id, preset_id)
    JOIN local_hours AS h
        ON h.run_id = b.run_id AND h.timezone = p.timezone
        AND h.from_at < coalesce(b.claimed_at, b.deleted_at, p.end_at) AND h.until_at > b.completed_at
    WHERE list_contains($runs, b.run_id) AND b.build_status = 'succeeded'
    GROUP BY b.run_id, p.preset, isodow(h.local_at), hour(h.local_at)
)

SELECT
    hours.run_id, hours.preset, hours.timezone, hours.weekday, hours.hour,
    coalesce(waited.idle_us, 0) / 3.6e9 AS idle_instance_hours,
    coalesce(waited.idle_us, 0) / 3.6e9 * coalesce(waited.cost_per_instance_hour, 0) AS idle_cost,
    hours.currency, hours.hours
FROM hours
LEFT JOIN waited USING (run_id, preset, weekday, hour)
ORDER BY hours.run_id, hours.first_id, hours.weekday, hours.hour;
