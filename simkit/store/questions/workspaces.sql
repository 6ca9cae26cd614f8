-- How many of people's workspaces run, are stopped, are dormant and were deleted? Each row holds until the next one of
-- its run; a workspace counts from its claim on, as stopped until its first start is done.
-- A claimed workspace of somebody who is not among the scenario's people runs for ever.
-- when: changed_at until the next
WITH change AS (
    SELECT run_id, created_at AS changed_at, 1 AS existing, 0 AS running, 0 AS dormant, 0 AS deleted FROM claims
    UNION ALL
    SELECT run_id, from_at, 0, 1, 0, 0 FROM instances WHERE owned
    UNION ALL
    SELECT i.run_id, i.until_at, 0, -1, 0, 0
    FROM instances AS i
    JOIN runs AS r USING (run_id)
    WHERE i.owned AND i.until_at < r.end_at
    UNION ALL
    SELECT d.run_id, d.decided_at, 0, 0, CASE d.rule WHEN 'dormancy' THEN 1 ELSE -1 END, 0
    FROM lifecycle_decisions AS d
    JOIN workspace_builds AS b ON b.run_id = d.run_id AND b.id = d.workspace_build_id
    WHERE d.rule IN ('dormancy', 'woken')
        -- In v2.24 prebuilds have a life, too.
        AND NOT (b.initiator_id = 0 AND (b.build_number = 1 OR b.transition <> 'start'))
    UNION ALL
    SELECT b.run_id, j.completed_at, -1, 0, -1, 1
    FROM workspace_builds AS b
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    WHERE b.transition = 'delete' AND b.reason = 'autodelete' AND b.initiator_id <> 0 AND j.job_status = 'succeeded'
),

named AS (
    SELECT
        run_id, changed_at,
        sum(existing) AS existing, sum(running) AS running, sum(dormant) AS dormant, sum(deleted) AS deleted
    FROM change
    WHERE list_contains($runs, run_id)
    GROUP BY ALL
),

counted AS (
    SELECT
        run_id, changed_at,
        (sum(existing) OVER so_far)::BIGINT AS existing,
        (sum(running) OVER so_far)::BIGINT AS running,
        (sum(dormant) OVER so_far)::BIGINT AS dormant,
        (sum(deleted) OVER so_far)::BIGINT AS deleted
    FROM named
    WINDOW so_far AS (PARTITION BY run_id ORDER BY changed_at)
)

SELECT run_id, changed_at, running, existing - running - dormant AS stopped, dormant, deleted
FROM counted
ORDER BY run_id, changed_at;
