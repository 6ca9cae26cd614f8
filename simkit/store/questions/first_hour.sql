-- What happens in the first hour of each local day? The day starts when the desired number first rises, or with its
-- first claim where it does not. ready: prebuilds ready to claim at that instant; the waits are seconds.
WITH named AS (
    SELECT run_id, preset, timezone, min(preset_id) AS first_id, any_value(start_at) AS start_at
    FROM presets
    WHERE list_contains($runs, run_id)
    GROUP BY run_id, preset, timezone
),

change AS (
    SELECT
        run_id, preset_id, from_at,
        desired - lag(desired, 1, 0) OVER (PARTITION BY run_id, preset_id ORDER BY from_at) AS rise
    FROM desired_instances
),

begins AS (
    -- Versions that carry one preset's name follow each other: taking over is no rise.
    SELECT c.run_id, p.preset, c.from_at, sum(c.rise) > 0 AS rises
    FROM change AS c
    JOIN presets AS p USING (run_id, preset_id)
    WHERE c.from_at > p.start_at
    GROUP BY c.run_id, p.preset, c.from_at
    HAVING sum(c.rise) > 0
    UNION ALL
    SELECT c.run_id, p.preset, c.created_at, false
    FROM claims AS c
    JOIN presets AS p USING (run_id, preset_id)
),

started AS (
    SELECT
        b.run_id, n.preset, n.timezone, n.first_id, h.local_at::DATE AS local_date,
        -- A rise wins over a claim before it; without one, the day's first claim is the start.
        coalesce(min(b.from_at) FILTER (WHERE b.rises), min(b.from_at)) AS started_at
    FROM begins AS b
    JOIN named AS n USING (run_id, preset)
    ASOF JOIN local_hours AS h ON h.run_id = b.run_id AND h.timezone = n.timezone AND b.from_at >= h.from_at
    GROUP BY b.run_id, n.preset, n.timezone, n.first_id, h.local_at::DATE
),

ready AS (
    SELECT s.run_id, s.preset, s.local_date, count(*) AS ready
    FROM started AS s
    JOIN presets AS p USING (run_id, preset)
    JOIN prebuilds AS b
        ON b.run_id = p.run_id AND b.preset_id = p.preset_id AND b.ready_at <= s.started_at
        AND coalesce(b.claimed_at, b.delete_created_at, 'infinity'::TIMESTAMPTZ) > s.started_at
    GROUP BY ALL
),

asked AS (
    SELECT
        s.run_id, s.preset, s.local_date,
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
LEFT JOIN ready AS r USING (run_id, preset, local_date)
LEFT JOIN asked AS a USING (run_id, preset, local_date)
ORDER BY s.run_id, s.first_id, s.local_date;
