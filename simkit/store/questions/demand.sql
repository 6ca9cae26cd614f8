-- When do people ask? One row per preset and hour of the local week (weekday 0 is Monday): claims, and how many hours
-- the window has there.
-- key: preset, weekday, hour
WITH hours AS (SELECT * FROM preset_hours WHERE list_contains($runs, run_id)),

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
