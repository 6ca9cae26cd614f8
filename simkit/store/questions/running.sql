-- How many instances run, for people and as prebuilds? One row per preset and hour of the local week (weekday 0 is
-- Monday): instance-hours of both, and how many hours the window has there.
-- A claimed workspace of somebody who is not among the scenario's people runs for ever.
-- key: preset, weekday, hour
WITH hours AS (SELECT * FROM preset_hours WHERE list_contains($runs, run_id)),

ran AS (
    SELECT
        i.run_id, p.preset, isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour,
        coalesce(sum(least(epoch_us(h.until_at), epoch_us(i.until_at)) - greatest(epoch_us(h.from_at), epoch_us(i.from_at)))
            FILTER (WHERE i.owned), 0) AS people_us,
        coalesce(sum(least(epoch_us(h.until_at), epoch_us(i.until_at)) - greatest(epoch_us(h.from_at), epoch_us(i.from_at)))
            FILTER (WHERE NOT i.owned), 0) AS prebuilds_us
    FROM instances AS i
    JOIN presets AS p USING (run_id, preset_id)
    JOIN local_hours AS h
        ON h.run_id = i.run_id AND h.timezone = p.timezone AND h.from_at < i.until_at AND h.until_at > i.from_at
    WHERE list_contains($runs, i.run_id)
    GROUP BY ALL
)

SELECT
    hours.run_id, hours.preset, hours.timezone, hours.weekday, hours.hour,
    coalesce(ran.people_us, 0) / 3.6e9 AS people_instance_hours,
    coalesce(ran.prebuilds_us, 0) / 3.6e9 AS prebuild_instance_hours,
    hours.hours
FROM hours
LEFT JOIN ran USING (run_id, preset, weekday, hour)
ORDER BY hours.run_id, hours.first_id, hours.weekday, hours.hour;
