-- What happens in the first hour of each local day? The day starts with its first hour on the clock in which at least a
-- quarter as many people come as in its busiest hour; a day on which nobody comes has none, nor has a preset without a pool. ready: prebuilds ready to
-- claim when that hour begins; the waits are seconds.
-- key: preset, local_date
-- when: started_at
WITH named AS (
    SELECT run_id, preset, timezone, min(preset_id) AS first_id
    FROM presets
    JOIN pooled USING (run_id, preset)
    WHERE list_contains($runs, run_id)
    GROUP BY run_id, preset, timezone
),

hourly AS (
    SELECT n.run_id, n.preset, n.timezone, n.first_id, h.local_at::DATE AS local_date, h.from_at, count(*) AS claims
    FROM claims AS c
    JOIN presets AS p USING (run_id, preset_id)
    JOIN named AS n ON n.run_id = c.run_id AND n.preset = p.preset
    ASOF JOIN local_hours AS h ON h.run_id = n.run_id AND h.timezone = n.timezone AND c.created_at >= h.from_at
    GROUP BY ALL
),

busy AS (
    SELECT *, 4 * claims >= max(claims) OVER (PARTITION BY run_id, preset, timezone, local_date) AS is_busy FROM hourly
),

started AS (
    SELECT run_id, preset, timezone, first_id, local_date, min(from_at) AS started_at
    FROM busy
    WHERE is_busy
    GROUP BY ALL
),

ready AS (
    SELECT s.run_id, s.preset, s.timezone, s.local_date, count(*) AS ready
    FROM started AS s
    JOIN presets AS p USING (run_id, preset)
    JOIN prebuilds AS b
        ON b.run_id = p.run_id AND b.preset_id = p.preset_id AND b.ready_at <= s.started_at
        AND coalesce(b.claimed_at, b.delete_created_at, 'infinity'::TIMESTAMPTZ) > s.started_at
    GROUP BY ALL
),

asked AS (
    SELECT
        s.run_id, s.preset, s.timezone, s.local_date,
        count(*) AS claims,
        count(*) FILTER (WHERE c.hit) AS hits,
        min(c.created_at) FILTER (WHERE NOT c.hit) AS first_miss_at,
        max(epoch_us(c.ready_at) - epoch_us(c.created_at)) / 1e6 AS longest_wait_s
    FROM started AS s
    JOIN presets AS p USING (run_id, preset)
    JOIN claims AS c
        ON c.run_id = p.run_id AND c.preset_id = p.preset_id
        AND epoch_us(c.created_at) - epoch_us(s.started_at) BETWEEN 0 AND 3600000000 - 1
    GROUP BY ALL
)

SELECT
    s.run_id, s.preset, s.timezone, s.local_date, s.started_at, coalesce(r.ready, 0) AS ready,
    coalesce(a.claims, 0) AS claims, coalesce(a.hits, 0) AS hits, a.first_miss_at, a.longest_wait_s
FROM started AS s
LEFT JOIN ready AS r USING (run_id, preset, timezone, local_date)
LEFT JOIN asked AS a USING (run_id, preset, timezone, local_date)
ORDER BY s.run_id, s.first_id, s.local_date;
