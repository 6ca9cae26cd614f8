-- How many prebuilds did each preset want, have running, have ready to claim and have starting? Each row holds until the
-- next one of its preset, and one that never wants any has none; claimed and missed count claims from the start on.
-- when: changed_at until the next
WITH wanting AS (
    SELECT p.*, min(p.preset_id) OVER (PARTITION BY p.run_id, p.preset) AS first_id
    FROM presets AS p
    JOIN pooled USING (run_id, preset)
    WHERE list_contains($runs, p.run_id)
),

-- Versions that carry one preset's name follow each other; what they have is added up. Numbers stand for texts: these are
-- slow to sort and to join by.
numbered AS MATERIALIZED (
    SELECT
        run_id, preset_id, preset::few_texts AS preset, timezone::few_texts AS timezone,
        (dense_rank() OVER (ORDER BY run_id, first_id))::INTEGER AS n
    FROM wanting
),

built AS MATERIALIZED (
    SELECT
        p.n, run_id, p.preset, p.timezone, b.created_at, b.completed_at, b.ready_at, b.build_status = 'succeeded' AS ran,
        coalesce(b.claimed_at, b.delete_created_at) AS left_at
    FROM prebuilds AS b
    JOIN numbered AS p USING (run_id, preset_id)
),

change AS NOT MATERIALIZED (
    SELECT
        n, run_id, preset, timezone, created_at AS changed_at, 0 AS desired, 0 AS running, 0 AS eligible, 1 AS starting,
        0 AS claimed, 0 AS missed
    FROM built
    UNION ALL
    SELECT n, run_id, preset, timezone, completed_at, 0, ran::INTEGER, 0, -1, 0, 0 FROM built WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT n, run_id, preset, timezone, ready_at, 0, 0, 1, 0, 0, 0
    FROM built WHERE ready_at < coalesce(left_at, 'infinity'::TIMESTAMPTZ)
    UNION ALL
    SELECT n, run_id, preset, timezone, left_at, 0, -1, -coalesce(ready_at < left_at, false)::INTEGER, 0, 0, 0
    FROM built WHERE ran AND left_at IS NOT NULL
    UNION ALL
    SELECT p.n, run_id, p.preset, p.timezone, c.created_at, 0, 0, 0, 0, c.hit::INTEGER, (NOT c.hit)::INTEGER
    FROM claims AS c
    JOIN numbered AS p USING (run_id, preset_id)
    UNION ALL
    SELECT
        p.n, run_id, p.preset, p.timezone, d.from_at,
        d.desired - lag(d.desired, 1, 0) OVER (PARTITION BY d.run_id, d.preset_id ORDER BY d.from_at), 0, 0, 0, 0, 0
    FROM desired_instances AS d
    JOIN numbered AS p USING (run_id, preset_id)
),

-- Summed up over all names in one go: DuckDB keeps the order of rows for a frame without one of its own, and that costs a
-- tenth of a sum for each name. A row before the first of each name takes off what the name before has left. A sum
-- carries two numbers, one of them in units of 2^32, as each costs half as much as the sorting.
so_far AS (
    SELECT
        run_id, preset, timezone, changed_at,
        lead(n) OVER () AS next_n, lead(changed_at) OVER () AS next_at, lead(timezone) OVER () AS next_timezone,
        n, sum(running * 4294967296 + eligible) OVER up_to_here AS pool,
        sum(starting * 4294967296 + claimed) OVER up_to_here AS builds,
        sum(desired * 4294967296 + missed) OVER up_to_here AS wants
    FROM (
        FROM change
        UNION ALL BY NAME
        SELECT
            n + 1 AS n, '-infinity'::TIMESTAMPTZ AS changed_at, -sum(desired)::BIGINT AS desired, -sum(running)::INTEGER AS running,
            -sum(eligible)::INTEGER AS eligible, -sum(starting)::INTEGER AS starting, -sum(claimed)::INTEGER AS claimed,
            -sum(missed)::INTEGER AS missed
        FROM change
        GROUP BY n
        ORDER BY n, changed_at, timezone
    )
    WINDOW up_to_here AS (ROWS UNBOUNDED PRECEDING)
)

SELECT
    run_id, preset, timezone, changed_at,
    ((wants + 2147483648) >> 32)::BIGINT AS desired,
    ((pool + 2147483648) >> 32)::BIGINT AS running,
    (pool - running * 4294967296)::BIGINT AS eligible,
    ((builds + 2147483648) >> 32)::BIGINT AS starting,
    (builds - starting * 4294967296)::BIGINT AS claimed,
    (wants - desired * 4294967296)::BIGINT AS missed
FROM so_far
WHERE preset IS NOT NULL
    -- Of what changes at one instant the last row has the sums.
    AND (next_at IS DISTINCT FROM changed_at OR next_n <> n OR next_timezone <> timezone);
