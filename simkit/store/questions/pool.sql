-- How many prebuilds did each preset want, have running, have ready to claim and have starting? Each row holds until the
-- next one of its preset, and one that never wants any has none; claimed and missed count claims from the start on.
-- when: changed_at until the next
WITH change AS (
    SELECT run_id, preset_id, created_at AS changed_at, 0 AS running, 0 AS eligible, 1 AS starting, 0 AS claimed, 0 AS missed
    FROM prebuilds
    UNION ALL
    SELECT run_id, preset_id, completed_at, (build_status = 'succeeded')::INTEGER, 0, -1, 0, 0
    FROM prebuilds WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT run_id, preset_id, ready_at, 0, 1, 0, 0, 0
    FROM prebuilds WHERE ready_at < coalesce(claimed_at, delete_created_at, 'infinity'::TIMESTAMPTZ)
    UNION ALL
    SELECT
        run_id, preset_id, coalesce(claimed_at, delete_created_at), -1,
        -coalesce(ready_at < coalesce(claimed_at, delete_created_at), false)::INTEGER, 0, 0, 0
    FROM prebuilds WHERE build_status = 'succeeded' AND coalesce(claimed_at, delete_created_at) IS NOT NULL
    UNION ALL
    SELECT run_id, preset_id, created_at, 0, 0, 0, hit::INTEGER, (NOT hit)::INTEGER FROM claims
    UNION ALL
    SELECT run_id, preset_id, from_at, 0, 0, 0, 0, 0 FROM desired_instances
),

summed AS (
    SELECT
        run_id, preset_id, changed_at,
        sum(running) AS running, sum(eligible) AS eligible, sum(starting) AS starting,
        sum(claimed) AS claimed, sum(missed) AS missed
    FROM change
    WHERE list_contains($runs, run_id)
    GROUP BY ALL
),

-- Versions that carry one preset's name follow each other; what they have is added up.
wanted AS (
    SELECT s.*, d.desired - lag(d.desired, 1, 0) OVER (PARTITION BY s.run_id, s.preset_id ORDER BY s.changed_at) AS desired
    FROM summed AS s
    ASOF LEFT JOIN desired_instances AS d
        ON d.run_id = s.run_id AND d.preset_id = s.preset_id AND s.changed_at >= d.from_at
),

named AS (
    SELECT
        w.run_id, p.preset, p.timezone, w.changed_at, min(w.preset_id) AS first_id,
        sum(w.desired) AS desired, sum(w.running) AS running, sum(w.eligible) AS eligible, sum(w.starting) AS starting,
        sum(w.claimed) AS claimed, sum(w.missed) AS missed
    FROM wanted AS w
    JOIN presets AS p USING (run_id, preset_id)
    JOIN pooled USING (run_id, preset)
    GROUP BY ALL
)

SELECT
    run_id, preset, timezone, changed_at,
    (sum(desired) OVER so_far)::BIGINT AS desired,
    (sum(running) OVER so_far)::BIGINT AS running,
    (sum(eligible) OVER so_far)::BIGINT AS eligible,
    (sum(starting) OVER so_far)::BIGINT AS starting,
    (sum(claimed) OVER so_far)::BIGINT AS claimed,
    (sum(missed) OVER so_far)::BIGINT AS missed
FROM named
WINDOW so_far AS (PARTITION BY run_id, preset ORDER BY changed_at)
ORDER BY run_id, min(first_id) OVER (PARTITION BY run_id, preset), changed_at;
