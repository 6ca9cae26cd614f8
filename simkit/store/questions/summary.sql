-- How did each preset's pool serve, and what did it cost? Waits are seconds from claim to ready, by nearest rank, over
-- the claims that were ready in time; idle instance-hours count from build to claim or deletion, without the build,
-- which `hours` has; builds are prebuilds'. A preset that never wants a prebuild has no pool, and so no hit rate.
-- hard_limited_at: when the hard limit first kept the reconciler from building; for how long, and the misses meanwhile.
-- key: preset
WITH limits AS MATERIALIZED (
    -- Once, though it is named twice: it is the dearest part.
    SELECT * FROM hard_limits WHERE list_contains($runs, run_id)
),

served AS (
    SELECT
        c.run_id,
        p.preset,
        count(*) AS claims,
        count(*) FILTER (WHERE c.hit) AS hits,
        count(*) FILTER (WHERE c.ready_at IS NULL) AS still_waiting,
        quantile_disc(epoch_us(c.ready_at) - epoch_us(c.created_at), [0.5, 0.95, 0.99]) AS wait_us
    FROM claims AS c
    JOIN presets AS p USING (run_id, preset_id)
    WHERE list_contains($runs, c.run_id)
    GROUP BY ALL
),

missed AS (
    SELECT l.run_id, p.preset, count(*) AS misses
    FROM limits AS l
    JOIN presets AS p USING (run_id, preset_id)
    JOIN claims AS c
        ON c.run_id = l.run_id AND c.preset_id = l.preset_id AND NOT c.hit AND c.created_at >= l.from_at
        AND (c.created_at < l.until_at OR l.ended_by IS NULL)
    GROUP BY ALL
),

limited AS (
    SELECT
        l.run_id, p.preset, min(l.from_at) AS limited_at, sum(epoch_us(l.until_at) - epoch_us(l.from_at)) AS limited_us
    FROM limits AS l
    JOIN presets AS p USING (run_id, preset_id)
    GROUP BY ALL
),

pool AS (
    SELECT
        p.run_id,
        p.preset,
        min(p.preset_id) AS first_id,
        any_value(p.timezone) AS timezone,
        any_value(p.currency) AS currency,
        any_value(p.cost_per_instance_hour) AS cost_per_instance_hour,
        count(b.workspace_id) AS builds,
        count(*) FILTER (WHERE b.build_status = 'failed') AS failed_builds,
        coalesce(
            sum(epoch_us(coalesce(b.claimed_at, b.deleted_at, p.end_at)) - epoch_us(b.completed_at))
                FILTER (WHERE b.build_status = 'succeeded'),
            0
        )::BIGINT AS idle_us
    FROM presets AS p
    LEFT JOIN prebuild_spans AS b USING (run_id, preset_id)
    WHERE list_contains($runs, p.run_id)
    GROUP BY ALL
)

SELECT
    pool.run_id,
    pool.preset,
    pool.timezone,
    coalesce(served.claims, 0) AS claims,
    coalesce(served.hits, 0) AS hits,
    CASE WHEN pooled.preset IS NOT NULL THEN served.hits / served.claims END AS hit_rate,
    served.wait_us[1] / 1e6 AS wait_p50_s,
    served.wait_us[2] / 1e6 AS wait_p95_s,
    served.wait_us[3] / 1e6 AS wait_p99_s,
    coalesce(served.still_waiting, 0) AS still_waiting,
    pool.idle_us / 3.6e9 AS idle_instance_hours,
    pool.builds,
    pool.failed_builds,
    pool.idle_us / 3.6e9 * pool.cost_per_instance_hour AS idle_cost,
    pool.currency,
    pooled.preset IS NOT NULL AS has_pool,
    limited.limited_at AS hard_limited_at,
    coalesce(limited.limited_us, 0) / 3.6e9 AS hard_limited_hours,
    coalesce(missed.misses, 0) AS hard_limited_misses
FROM pool
LEFT JOIN served ON served.run_id = pool.run_id AND served.preset = pool.preset
LEFT JOIN pooled ON pooled.run_id = pool.run_id AND pooled.preset = pool.preset
LEFT JOIN limited ON limited.run_id = pool.run_id AND limited.preset = pool.preset
LEFT JOIN missed ON missed.run_id = pool.run_id AND missed.preset = pool.preset
ORDER BY pool.run_id, pool.first_id;
