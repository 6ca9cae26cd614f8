-- When do prebuilds wait for somebody, and what does it cost? One row per preset and hour of the local week (weekday 0
-- is Monday): instance-hours between build and claim or deletion, and how many hours the window has there.
-- key: preset, weekday, hour
WITH hours AS (SELECT * FROM preset_hours WHERE list_contains($runs, run_id)),

numbered AS (
    -- A number for a preset of a run: text is slow to sort and to join by.
    SELECT *, row_number() OVER (ORDER BY run_id, preset_id) AS n FROM presets WHERE list_contains($runs, run_id)
),

spans AS MATERIALIZED (
    SELECT
        p.n, p.run_id, p.timezone, greatest(b.completed_at, p.start_at) AS from_at,
        least(coalesce(b.claimed_at, b.deleted_at, p.end_at), p.end_at) AS until_at
    FROM prebuild_spans AS b
    JOIN numbered AS p USING (run_id, preset_id)
    WHERE b.build_status = 'succeeded'
),

-- A span makes one more from its beginning on, and one fewer from its end on. To pair each with all of its hours would
-- cost as much as all of them have hours. An end belongs to the hour before it: the window's end has none after it.
turns AS (
    SELECT
        s.n, h.from_at, sum(s.more) AS more, sum(s.more * (epoch_us(h.until_at) - epoch_us(s.turned_at))) AS idle_us
    FROM (
        SELECT n, run_id, timezone, from_at AS turned_at, epoch_us(from_at) AS seen_us, 1 AS more
        FROM spans WHERE from_at < until_at
        UNION ALL
        SELECT n, run_id, timezone, until_at, epoch_us(until_at) - 1, -1
        FROM spans WHERE from_at < until_at
    ) AS s
    JOIN hour_parts AS h
        ON h.run_id = s.run_id AND h.timezone = s.timezone AND h.utc_hour = s.seen_us // 3600000000
        AND s.seen_us >= epoch_us(h.from_at) AND s.seen_us < epoch_us(h.until_at)
    GROUP BY ALL
),

-- No span is left after the last hour, so that one sum over all presets is each one's own: DuckDB keeps the order of rows
-- for a frame without one of its own, and that costs a tenth of a sum for each preset.
by_hour AS (
    SELECT
        n, isodow(local_at) - 1 AS weekday, hour(local_at) AS hour,
        idle_us + (sum(more) OVER (ROWS UNBOUNDED PRECEDING) - more) * hour_us AS idle_us
    FROM (
        SELECT
            p.n, h.local_at, epoch_us(h.until_at) - epoch_us(h.from_at) AS hour_us, coalesce(t.more, 0) AS more,
            coalesce(t.idle_us, 0) AS idle_us
        FROM numbered AS p
        JOIN local_hours AS h USING (run_id, timezone)
        LEFT JOIN turns AS t ON t.n = p.n AND t.from_at = h.from_at
        ORDER BY p.n, h.from_at
    )
),

waited AS (
    SELECT
        p.run_id, p.preset, p.timezone, h.weekday, h.hour, sum(h.idle_us) / 3.6e9 AS instance_hours,
        any_value(p.cost_per_instance_hour) AS cost_per_instance_hour
    FROM (SELECT n, weekday, hour, sum(idle_us) AS idle_us FROM by_hour GROUP BY ALL) AS h
    JOIN numbered AS p USING (n)
    GROUP BY ALL
)

SELECT
    hours.run_id, hours.preset, hours.timezone, hours.weekday, hours.hour,
    waited.instance_hours AS idle_instance_hours,
    waited.instance_hours * waited.cost_per_instance_hour AS idle_cost,
    hours.currency, hours.hours
FROM hours
JOIN waited USING (run_id, preset, timezone, weekday, hour)
ORDER BY hours.run_id, hours.first_id, hours.weekday, hours.hour;
