-- Which builds were there, when did a daemon take them, and for whom? One row per build; what: prebuild, claim (of a
-- prebuild), cold (a person's first), or a later start, stop or delete. asked_at and ready_at are those of its claim.
-- when: created_at
SELECT
    b.run_id, b.id AS workspace_build_id, p.preset::few_texts AS preset, p.timezone::few_texts AS timezone,
    CASE WHEN c.id IS NOT NULL THEN CASE WHEN c.hit THEN 'claim' ELSE 'cold' END
        WHEN b.build_number = 1 AND b.initiator_id = 0 THEN 'prebuild'
        ELSE b.transition END AS what,
    b.created_at, j.started_at, j.completed_at, j.job_status,
    c.created_at AS asked_at, coalesce(c.ready_at, a.ready_at) AS ready_at
FROM workspace_builds AS b
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
JOIN presets AS p ON p.run_id = b.run_id AND p.preset_id = b.template_version_preset_id
LEFT JOIN claims AS c ON c.run_id = b.run_id AND c.workspace_build_id = b.id
LEFT JOIN workspace_agents AS a ON a.run_id = b.run_id AND a.workspace_build_id = b.id
WHERE list_contains($runs, b.run_id)
ORDER BY b.run_id, b.created_at, b.id;
