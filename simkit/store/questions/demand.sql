-- When do people ask? One row per preset and hour of the local week (weekday 0 is Monday): claims, and how many hours
-- the window has there.
WITH hours AS (
    SELECT
        p.run_id, p.preset, h.timezone, min(p.preset_id) AS first_id,
        isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour,
        -- A preset of several versions has its hours once.
        sum(epoch_us(h.until_at) - epoch_us(h.from_at)) / 3.6e9 / count(DISTINCT p.preset_id) AS hours
    FROM presets AS p
    JOIN local_hours AS h USING (run_id, timezone)
    WHERE list_contains($runs, p.run_id)
    GROUP BY ALL
),

asked AS (
    SELECT
        c.run_id, p.preset, isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour, count(*) AS claims
    FROM claims AS c
    JOIN presets AS p USING (run_id, preset_id)
    ASOF JOIN local_hours AS h ON h.run_id = c.run_id AND h.timezone = p.timezone AND c.created_at >= h.from_at
    WHERE list_contains($runs, c.run_id)
    GROUP BY ALL
)

SELECT
    hours.run_id, hours.preset, hours.timezone, hours.weekday, hours.hour, coalesce(asked.claims, 0) AS claims, hours.hours
FROM hours
LEFT JOIN asked USING (run_id, preset, weekday, hour)
ORDER BY hours.run_id, hours.first_id, hours.weekday, hours.hour;
