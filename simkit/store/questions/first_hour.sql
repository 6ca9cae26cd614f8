-- What happens in the first hour of each local day? The day starts with its first hour on the clock in which at least a
-- quarter as many people come as in its busiest hour; a day on which nobody comes has none, nor has a preset without a pool. ready: prebuilds ready to
-- claim when that hour begins; the waits are seconds.
-- key: preset, local_date
-- when: started_at
WITH named AS MATERIALIZED (
    SELECT
        run_id, preset::few_texts AS preset, timezone::few_texts AS timezone, min(preset_id) AS first_id,
        row_number() OVER (ORDER BY run_id, min(preset_id), presets.timezone) AS n
    FROM presets
    JOIN pooled USING (run_id, preset)
    WHERE list_contains($runs, run_id)
    GROUP BY run_id, presets.preset, presets.timezone
),

-- A number for each of them, and the presets of all versions that carry its name: text is slow to join by.
numbered AS MATERIALIZED (
    SELECT n.n, p.run_id, p.preset_id, n.timezone
    FROM named AS n
    JOIN presets AS p ON p.run_id = n.run_id AND p.preset::few_texts = n.preset
),

came AS MATERIALIZED (
    SELECT p.n, c.run_id, p.timezone, c.created_at, c.ready_at, c.hit
    FROM claims AS c
    JOIN numbered AS p USING (run_id, preset_id)
),

busy AS (
    SELECT
        n, local_at::DATE AS local_date, h.from_at,
        4 * count(*) >= max(count(*)) OVER (PARTITION BY n, local_at::DATE) AS is_busy
    FROM came AS c
    JOIN hour_parts AS h
        ON h.run_id = c.run_id AND h.timezone::few_texts = c.timezone AND h.utc_hour = epoch_us(c.created_at) // 3600000000
        AND c.created_at >= h.from_at AND c.created_at < h.until_at
    GROUP BY n, h.local_at, h.from_at
),

started AS MATERIALIZED (
    SELECT n, local_date, min(from_at) AS started_at FROM busy WHERE is_busy GROUP BY ALL
),

-- A prebuild is one more from the first of these hours on that begins when it is ready, and one fewer from the first on
-- that begins when it has gone: to pair it with all days would cost as much as it has days.
turned AS (
    SELECT p.n, unnest([b.ready_at, b.left_at]) AS turned_at, unnest([1, -1]) AS more
    FROM (SELECT *, coalesce(claimed_at, delete_created_at, 'infinity'::TIMESTAMPTZ) AS left_at FROM prebuilds) AS b
    JOIN numbered AS p USING (run_id, preset_id)
    WHERE b.ready_at < b.left_at
),

more AS (
    SELECT s.n, s.started_at, sum(t.more) AS more
    FROM turned AS t
    ASOF JOIN started AS s ON t.n = s.n AND t.turned_at <= s.started_at
    GROUP BY ALL
),

asked AS (
    SELECT
        s.n, s.local_date,
        count(*) AS claims,
        count(*) FILTER (WHERE c.hit) AS hits,
        min(c.created_at) FILTER (WHERE NOT c.hit) AS first_miss_at,
        max(epoch_us(c.ready_at) - epoch_us(c.created_at)) / 1e6 AS longest_wait_s
    FROM came AS c
    JOIN (SELECT *, unnest([0, 1]) + epoch_us(started_at) // 3600000000 AS utc_hour FROM started) AS s
        ON s.n = c.n AND s.utc_hour = epoch_us(c.created_at) // 3600000000
        AND epoch_us(c.created_at) - epoch_us(s.started_at) BETWEEN 0 AND 3600000000 - 1
    GROUP BY ALL
)

SELECT
    n.run_id, n.preset, n.timezone, s.local_date, s.started_at,
    coalesce(sum(m.more) OVER (PARTITION BY s.n ORDER BY s.started_at), 0)::BIGINT AS ready,
    coalesce(a.claims, 0) AS claims, coalesce(a.hits, 0) AS hits, a.first_miss_at, a.longest_wait_s
FROM started AS s
JOIN named AS n USING (n)
LEFT JOIN more AS m ON m.n = s.n AND m.started_at = s.started_at
LEFT JOIN asked AS a ON a.n = s.n AND a.local_date = s.local_date
ORDER BY n.run_id, n.first_id, s.local_date;
