-- How many prebuilds did each preset want, have running, have ready to claim and have starting? Each row holds until the
-- next one of its preset, and one that never wants any has none; claimed and missed count claims from the start on.
-- when: changed_at until the next
WITH wanting AS (
    SELECT p.*, min(p.preset_id) OVER (PARTITION BY p.run_id, p.preset) AS first_id
    FROM presets AS p
    JOIN pooled USING (run_id, preset)
    WHERE list_contains($runs, p.run_id)
),

-- Versions that carry one preset's name follow each other; what they have is added up. Numbers stand for names: text is
-- slow to sort and to join by.
numbered AS MATERIALIZED (
    SELECT
        *, dense_rank() OVER (ORDER BY run_id, first_id) AS name_n,
        dense_rank() OVER (ORDER BY run_id, first_id, timezone) AS n
    FROM wanting
),

built AS MATERIALIZED (
    SELECT
        p.n, b.created_at, b.completed_at, b.ready_at, (b.build_status = 'succeeded')::TINYINT AS ran,
        coalesce(b.claimed_at, b.delete_created_at) AS left_at
    FROM prebuilds AS b
    JOIN numbered AS p USING (run_id, preset_id)
),

change AS (
    SELECT
        n, created_at AS changed_at, NULL AS desired, 0 AS running, 0 AS eligible, 1 AS starting, 0 AS claimed, 0 AS missed
    FROM built
    UNION ALL
    SELECT n, completed_at, NULL, ran, 0, -1, 0, 0 FROM built WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT n, ready_at, NULL, 0, 1, 0, 0, 0 FROM built WHERE ready_at < coalesce(left_at, 'infinity'::TIMESTAMPTZ)
    UNION ALL
    SELECT n, left_at, NULL, -1, -coalesce(ready_at < left_at, false)::TINYINT, 0, 0, 0
    FROM built WHERE ran = 1 AND left_at IS NOT NULL
    UNION ALL
    SELECT p.n, c.created_at, NULL, 0, 0, 0, c.hit::TINYINT, (NOT c.hit)::TINYINT
    FROM claims AS c
    JOIN numbered AS p USING (run_id, preset_id)
    UNION ALL
    SELECT
        p.n, d.from_at, d.desired - lag(d.desired, 1, 0) OVER (PARTITION BY d.run_id, d.preset_id ORDER BY d.from_at),
        0, 0, 0, 0, 0
    FROM desired_instances AS d
    JOIN numbered AS p USING (run_id, preset_id)
),

summed AS (
    SELECT
        n, changed_at, coalesce(sum(desired), 0)::BIGINT AS desired, sum(running)::BIGINT AS running,
        sum(eligible)::BIGINT AS eligible, sum(starting)::BIGINT AS starting, sum(claimed)::BIGINT AS claimed,
        sum(missed)::BIGINT AS missed
    FROM change
    GROUP BY ALL
),

-- Summed up over all names in one go: DuckDB keeps the order of rows for a frame without one of its own, and that costs a
-- tenth of a sum for each name. What the names before have left is taken off again.
so_far AS (
    SELECT
        n, name_n, changed_at,
        sum(desired) OVER up_to_here AS desired, sum(running) OVER up_to_here AS running,
        sum(eligible) OVER up_to_here AS eligible, sum(starting) OVER up_to_here AS starting,
        sum(claimed) OVER up_to_here AS claimed, sum(missed) OVER up_to_here AS missed
    FROM (
        SELECT s.*, p.name_n
        FROM summed AS s
        JOIN (SELECT DISTINCT n, name_n FROM numbered) AS p USING (n)
        -- Two versions in different zones have rows of their own.
        ORDER BY p.name_n, s.changed_at, s.n
    )
    WINDOW up_to_here AS (ROWS UNBOUNDED PRECEDING)
),

before AS (
    SELECT
        name_n, sum(sum(desired)) OVER names AS desired, sum(sum(running)) OVER names AS running,
        sum(sum(eligible)) OVER names AS eligible, sum(sum(starting)) OVER names AS starting,
        sum(sum(claimed)) OVER names AS claimed, sum(sum(missed)) OVER names AS missed
    FROM summed
    JOIN (SELECT DISTINCT n, name_n FROM numbered) USING (n)
    GROUP BY name_n
    WINDOW names AS (ORDER BY name_n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)

SELECT
    p.run_id, p.preset, p.timezone, s.changed_at,
    (s.desired - coalesce(b.desired, 0))::BIGINT AS desired,
    (s.running - coalesce(b.running, 0))::BIGINT AS running,
    (s.eligible - coalesce(b.eligible, 0))::BIGINT AS eligible,
    (s.starting - coalesce(b.starting, 0))::BIGINT AS starting,
    (s.claimed - coalesce(b.claimed, 0))::BIGINT AS claimed,
    (s.missed - coalesce(b.missed, 0))::BIGINT AS missed
FROM so_far AS s
JOIN before AS b USING (name_n)
JOIN (SELECT DISTINCT n, run_id, preset, timezone FROM numbered) AS p USING (n)
ORDER BY s.name_n, s.changed_at, s.n;
