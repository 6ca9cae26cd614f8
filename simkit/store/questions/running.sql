-- How many instances run, for people and as prebuilds? One row per preset and hour of the local week (weekday 0 is
-- Monday): instance-hours of both, and how many hours the window has there.
-- A claimed workspace of somebody who is not among the scenario's people runs for ever.
-- key: preset, weekday, hour
WITH hours AS (SELECT * FROM preset_hours WHERE list_contains($runs, run_id)),

numbered AS (
    -- A number for a preset of a run: text is slow to sort and to join by.
    SELECT *, row_number() OVER (ORDER BY run_id, preset_id) AS n FROM presets WHERE list_contains($runs, run_id)
),

spans AS MATERIALIZED (
    SELECT
        p.n, p.run_id, p.timezone, i.owned::INTEGER AS owned, greatest(i.from_at, p.start_at) AS from_at,
        least(i.until_at, p.end_at) AS until_at
    FROM instances AS i
    JOIN numbered AS p USING (run_id, preset_id)
),

-- As in `idle`: a span makes one more from its beginning on, and one fewer from its end on.
turns AS (
    SELECT
        s.n, h.from_at, sum(s.more) AS more, sum(s.more * (epoch_us(h.until_at) - epoch_us(s.turned_at))) AS all_us,
        sum(s.more * s.owned) AS more_owned,
        sum(s.more * s.owned * (epoch_us(h.until_at) - epoch_us(s.turned_at))) AS people_us
    FROM (
        SELECT n, run_id, timezone, owned, from_at AS turned_at, epoch_us(from_at) AS seen_us, 1 AS more
        FROM spans WHERE from_at < until_at
        UNION ALL
        SELECT n, run_id, timezone, owned, until_at, epoch_us(until_at) - 1, -1
        FROM spans WHERE from_at < until_at
    ) AS s
    JOIN hour_parts AS h
        ON h.run_id = s.run_id AND h.timezone = s.timezone AND h.utc_hour = s.seen_us // 3600000000
        AND s.seen_us >= epoch_us(h.from_at) AND s.seen_us < epoch_us(h.until_at)
    GROUP BY ALL
),

by_hour AS (
    SELECT
        n, isodow(local_at) - 1 AS weekday, hour(local_at) AS hour,
        all_us + (sum(more) OVER up_to_here - more) * hour_us AS all_us,
        people_us + (sum(more_owned) OVER up_to_here - more_owned) * hour_us AS people_us
    FROM (
        SELECT
            p.n, h.local_at, epoch_us(h.until_at) - epoch_us(h.from_at) AS hour_us,
            coalesce(t.more, 0) AS more, coalesce(t.more_owned, 0) AS more_owned,
            coalesce(t.all_us, 0) AS all_us, coalesce(t.people_us, 0) AS people_us
        FROM numbered AS p
        JOIN local_hours AS h USING (run_id, timezone)
        LEFT JOIN turns AS t ON t.n = p.n AND t.from_at = h.from_at
        ORDER BY p.n, h.from_at
    )
    WINDOW up_to_here AS (ROWS UNBOUNDED PRECEDING)
),

ran AS (
    SELECT p.run_id, p.preset, p.timezone, h.weekday, h.hour, sum(h.all_us) AS all_us, sum(h.people_us) AS people_us
    FROM (SELECT n, weekday, hour, sum(all_us) AS all_us, sum(people_us) AS people_us FROM by_hour GROUP BY ALL) AS h
    JOIN numbered AS p USING (n)
    GROUP BY ALL
)

SELECT
    hours.run_id, hours.preset, hours.timezone, hours.weekday, hours.hour,
    ran.people_us / 3.6e9 AS people_instance_hours,
    (ran.all_us - ran.people_us) / 3.6e9 AS prebuild_instance_hours,
    hours.hours
FROM hours
JOIN ran USING (run_id, preset, timezone, weekday, hour)
ORDER BY hours.run_id, hours.first_id, hours.weekday, hours.hour;
