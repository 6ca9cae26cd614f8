-- What happened to each workspace, in order, and why? Numbers are those that the rule saw. `simkit why` tells it.
-- when: happened_at
WITH mine AS (
    SELECT w.run_id, w.id AS workspace_id, w.name AS workspace, u.username
    FROM workspaces AS w
    LEFT JOIN users AS u ON u.run_id = w.run_id AND u.id = w.owner_id
    WHERE list_contains($runs, w.run_id)
        AND ($workspace IS NULL OR $workspace IN (w.id::VARCHAR, w.name, u.username))
),

-- A build, and what its preset is called.
build AS (
    SELECT
        m.*, b.id AS workspace_build_id, b.build_number, b.transition, b.created_at, b.initiator_id, b.reason,
        b.template_version_preset_id AS preset_id, p.preset, p.timezone, p.invalidate_after_secs,
        j.completed_at, j.job_status, j.error
    FROM mine AS m
    JOIN workspace_builds AS b USING (run_id, workspace_id)
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    JOIN presets AS p ON p.run_id = b.run_id AND p.preset_id = b.template_version_preset_id
),

told AS (
    SELECT run_id, workspace_id, workspace_build_id, 0 AS place, created_at AS happened_at, 'prebuild' AS what, {
        'desired': d.desired, 'actual': d.actual, 'expired': d.expired, 'starting': d.starting} AS saw
    FROM build
    JOIN reconciler_decisions AS d USING (run_id, preset_id)
    WHERE build_number = 1 AND initiator_id = 0 AND d.decided_at = created_at AND d.created > 0
    UNION ALL BY NAME
    SELECT b.run_id, b.workspace_id, workspace_build_id, 0 AS place, b.created_at AS happened_at, 'prebuild deleted' AS what,
        {'desired': d.desired, 'actual': d.actual, 'expired': d.expired, 'starting': d.starting} AS saw
    FROM build AS b
    JOIN reconciler_decisions AS d USING (run_id, preset_id)
    WHERE transition = 'delete' AND reason = 'initiator' AND initiator_id = 0 AND d.decided_at = created_at
        AND d.deleted_expired + d.deleted_oldest > 0
    UNION ALL BY NAME
    SELECT b.run_id, b.workspace_id, b.workspace_build_id, 1 AS place, c.created_at AS happened_at,
        CASE WHEN c.hit THEN 'claimed' ELSE 'cold' END AS what
    FROM build AS b
    JOIN claims AS c ON c.run_id = b.run_id AND c.workspace_build_id = b.workspace_build_id
    UNION ALL BY NAME
    SELECT b.run_id, b.workspace_id, b.workspace_build_id, 3 AS place, completed_at AS happened_at,
        transition || ' ' || job_status AS what, b.error
    FROM build AS b
    WHERE completed_at IS NOT NULL
    UNION ALL BY NAME
    SELECT m.run_id, m.workspace_id, d.workspace_build_id, CASE d.rule WHEN 'started' THEN 4 ELSE 5 END AS place,
        d.decided_at AS happened_at, d.rule AS what, d.deadline, d.max_deadline, d.bumped_at, d.bumped_from, d.bumps,
        d.next_start_at, d.last_used_at, d.deleting_at, d.ttl
    FROM mine AS m
    JOIN lifecycle_decisions AS d USING (run_id, workspace_id)
    UNION ALL BY NAME
    SELECT m.run_id, m.workspace_id, s.workspace_build_id, 2 AS place, s.started_at AS happened_at,
        'session ' || s.found AS what, s.ended_at
    FROM mine AS m
    JOIN sessions AS s USING (run_id, workspace_id)
)

SELECT
    t.run_id, t.workspace_id, b.workspace, b.username, b.preset, b.timezone, t.happened_at, t.what, t.workspace_build_id,
    t.saw.desired AS desired, t.saw.actual AS actual, t.saw.expired AS expired, t.saw.starting AS starting, t.ended_at,
    t.deadline, t.max_deadline, t.bumped_at, t.bumped_from, t.bumps, t.next_start_at, t.last_used_at, t.deleting_at, t.ttl, t.error
FROM told AS t
JOIN build AS b USING (run_id, workspace_id, workspace_build_id)
ORDER BY t.run_id, t.workspace_id, t.happened_at, t.workspace_build_id, t.place;
