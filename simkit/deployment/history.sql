-- From Coder's tables (schema `staged`) to those of a run, once every id has a number (n_<table>: uuid, id, is_new).
-- A workspace comes with all of its builds: what is known of it already is replaced.

DELETE FROM templates WHERE run_id = getvariable('run') AND id IN (FROM n_templates SELECT id);
DELETE FROM template_versions WHERE run_id = getvariable('run') AND id IN (FROM n_template_versions SELECT id);
-- A preset never changes in Coder: what is known of it stays where the source does not tell all of it (`keeps_presets`).
DELETE FROM template_version_presets
WHERE run_id = getvariable('run') AND NOT getvariable('keeps_presets') AND id IN (FROM n_template_version_presets SELECT id);
DELETE FROM template_version_preset_parameters
WHERE run_id = getvariable('run') AND NOT getvariable('keeps_presets')
    AND template_version_preset_id IN (FROM n_template_version_presets SELECT id);
DELETE FROM template_version_preset_prebuild_schedules
WHERE run_id = getvariable('run') AND NOT getvariable('keeps_presets')
    AND preset_id IN (FROM n_template_version_presets SELECT id);
DELETE FROM users WHERE run_id = getvariable('run') AND id IN (FROM n_users SELECT id);
DELETE FROM groups WHERE run_id = getvariable('run') AND id IN (FROM n_groups SELECT id);
DELETE FROM group_members WHERE run_id = getvariable('run');
DELETE FROM provisioner_daemons WHERE run_id = getvariable('run') AND id IN (FROM n_provisioner_daemons SELECT id);
DELETE FROM workspaces WHERE run_id = getvariable('run') AND id IN (FROM n_workspaces SELECT id WHERE NOT is_new);
DELETE FROM claims WHERE run_id = getvariable('run') AND workspace_id IN (FROM n_workspaces SELECT id WHERE NOT is_new);
DELETE FROM workspace_builds WHERE run_id = getvariable('run') AND id IN (FROM n_workspace_builds SELECT id WHERE NOT is_new);
DELETE FROM workspace_agents
WHERE run_id = getvariable('run') AND workspace_build_id IN (FROM n_workspace_builds SELECT id WHERE NOT is_new);
DELETE FROM provisioner_jobs WHERE run_id = getvariable('run') AND id IN (FROM n_provisioner_jobs SELECT id WHERE NOT is_new);

INSERT INTO templates (
    run_id, id, name, active_version_id, default_ttl, activity_bump, autostart_days_of_week,
    autostop_requirement_days_of_week, autostop_requirement_weeks, failure_ttl, time_til_dormant,
    time_til_dormant_autodelete, allow_user_autostart, allow_user_autostop, organization_id, deleted, deprecated
)
SELECT
    getvariable('run'), n.id, t.name, v.id, coalesce(t.default_ttl, 0), coalesce(t.activity_bump, 0),
    127 - (coalesce(t.autostart_block_days_of_week, 0) & 127), coalesce(t.autostop_requirement_days_of_week, 0),
    coalesce(t.autostop_requirement_weeks, 0), coalesce(t.failure_ttl, 0), coalesce(t.time_til_dormant, 0),
    coalesce(t.time_til_dormant_autodelete, 0), coalesce(t.allow_user_autostart, true),
    coalesce(t.allow_user_autostop, true), o.id, coalesce(t.deleted, false), coalesce(t.deprecated, '')
FROM staged.templates AS t
JOIN n_templates AS n ON n.uuid = t.id
JOIN n_organizations AS o ON o.uuid = t.organization_id
LEFT JOIN n_template_versions AS v ON v.uuid = t.active_version_id
ORDER BY n.id;

-- Coder lets a version go without a template when that is made from it later: its workspaces know it.
INSERT INTO template_versions (run_id, id, template_id, name, created_at)
SELECT getvariable('run'), n.id, t.id, v.name, v.created_at
FROM staged.template_versions AS v
JOIN n_template_versions AS n ON n.uuid = v.id
LEFT JOIN (
    SELECT b.template_version_id, any_value(w.template_id) AS template_id
    FROM staged.workspace_builds AS b
    JOIN staged.workspaces AS w ON w.id = b.workspace_id
    GROUP BY b.template_version_id
) AS built ON built.template_version_id = v.id
JOIN n_templates AS t ON t.uuid = coalesce(v.template_id, built.template_id)
ORDER BY n.id;

INSERT INTO template_version_presets (
    run_id, id, template_version_id, name, description, icon, is_default, desired_instances, invalidate_after_secs,
    scheduling_timezone, last_invalidated_at, timezone, cost_per_instance_hour
)
SELECT
    getvariable('run'), n.id, v.id, p.name, '', '', coalesce(p.is_default, false), greatest(coalesce(p.desired_instances, 0), 0),
    greatest(coalesce(p.invalidate_after_secs, 0), 0), coalesce(p.scheduling_timezone, ''), p.last_invalidated_at, z.taken, 0
FROM staged.template_version_presets AS p
JOIN n_template_version_presets AS n ON n.uuid = p.id
JOIN n_template_versions AS v ON v.uuid = p.template_version_id
JOIN template_versions AS t ON t.run_id = getvariable('run') AND t.id = v.id
JOIN zones AS z ON z.name = coalesce(p.scheduling_timezone, '')
WHERE n.is_new OR NOT getvariable('keeps_presets')
ORDER BY n.id;

INSERT INTO template_version_preset_parameters (run_id, template_version_preset_id, name, value)
SELECT getvariable('run'), n.id, p.name, p.value
FROM staged.template_version_preset_parameters AS p
JOIN n_template_version_presets AS n ON n.uuid = p.template_version_preset_id
WHERE n.is_new OR NOT getvariable('keeps_presets')
ORDER BY n.id, p.name;

-- Coder reads them in the order of its table, which nothing tells: where two hold at once, either may have come first.
INSERT INTO template_version_preset_prebuild_schedules (run_id, id, preset_id, cron_expression, desired_instances)
SELECT
    getvariable('run'), row_number() OVER (ORDER BY n.id, s.cron_expression) + coalesce((
        SELECT max(id) FROM template_version_preset_prebuild_schedules WHERE run_id = getvariable('run')
    ), 0), n.id, s.cron_expression, s.desired_instances
FROM staged.template_version_preset_prebuild_schedules AS s
JOIN n_template_version_presets AS n ON n.uuid = s.preset_id
WHERE n.is_new OR NOT getvariable('keeps_presets')
ORDER BY n.id, s.cron_expression;

-- Who has no way to log in is an account for programs: older versions of Coder have no other sign of one.
INSERT INTO users (run_id, id, username, quiet_hours_schedule, status, is_service_account)
SELECT
    getvariable('run'), n.id, coalesce(u.username, 'user-' || n.id), coalesce(u.quiet_hours_schedule, ''),
    CASE WHEN u.status IN ('suspended', 'dormant') THEN u.status ELSE 'active' END,
    coalesce(u.is_service_account, false) OR coalesce(u.is_system, false) OR coalesce(u.login_type, '') = 'none'
FROM staged.users AS u
JOIN n_users AS n ON n.uuid = u.id
WHERE n.id > 0
ORDER BY n.id;

INSERT INTO groups (run_id, id, organization_id, name, quota_allowance)
SELECT getvariable('run'), n.id, coalesce(o.id, 0), coalesce(g.name, 'group-' || n.id), greatest(g.quota_allowance, 0)
FROM staged.groups AS g
JOIN n_groups AS n ON n.uuid = g.id
LEFT JOIN n_organizations AS o ON o.uuid = g.organization_id
ORDER BY n.id;

INSERT INTO group_members (run_id, group_id, user_id)
SELECT getvariable('run'), g.id, u.id
FROM staged.group_members AS m
JOIN n_groups AS g ON g.uuid = m.group_id
JOIN n_users AS u ON u.uuid = m.user_id
ORDER BY g.id, u.id;

-- Tags can name their owner by id.
INSERT INTO provisioner_daemons (run_id, id, organization_id, name, tags, created_at, last_seen_at)
SELECT
    getvariable('run'), n.id, coalesce(o.id, 0), coalesce(d.name, 'daemon-' || n.id),
    replace(coalesce(d.tags, '{}'), coalesce(u.uuid::VARCHAR, '-'), coalesce(u.id::VARCHAR, '-')), d.created_at, d.last_seen_at
FROM staged.provisioner_daemons AS d
JOIN n_provisioner_daemons AS n ON n.uuid = d.id
LEFT JOIN n_organizations AS o ON o.uuid = d.organization_id
LEFT JOIN n_users AS u ON u.uuid = try_cast(regexp_extract(d.tags, '"owner": ?"([0-9a-f-]{36})"', 1) AS UUID)
ORDER BY n.id;

-- Clocks of a deployment's servers differ a little: nothing of a job is earlier than the job.
INSERT INTO provisioner_jobs (
    run_id, id, created_at, started_at, canceled_at, completed_at, error, initiator_id, type, organization_id, tags, worker_id,
    updated_at, error_code
)
SELECT
    getvariable('run'), n.id, j.created_at,
    CASE WHEN j.started_at IS NOT NULL THEN greatest(j.started_at, j.created_at) END,
    CASE WHEN j.canceled_at IS NOT NULL THEN greatest(j.canceled_at, j.created_at) END,
    CASE WHEN j.completed_at IS NOT NULL THEN greatest(j.completed_at, j.created_at) END,
    j.error, i.id, j.type, coalesce(o.id, 0),
    replace(coalesce(j.tags, '{}'), coalesce(u.uuid::VARCHAR, '-'), coalesce(u.id::VARCHAR, '-')),
    d.id, j.updated_at, j.error_code
FROM staged.provisioner_jobs AS j
JOIN n_provisioner_jobs AS n ON n.uuid = j.id
JOIN n_users AS i ON i.uuid = j.initiator_id
LEFT JOIN n_organizations AS o ON o.uuid = j.organization_id
LEFT JOIN n_provisioner_daemons AS d ON d.uuid = j.worker_id
LEFT JOIN n_users AS u ON u.uuid = try_cast(regexp_extract(j.tags, '"owner": ?"([0-9a-f-]{36})"', 1) AS UUID)
ORDER BY n.id;

INSERT INTO workspaces (
    run_id, id, created_at, owner_id, template_id, deleted, name, last_used_at, autostart_schedule, next_start_at, ttl,
    dormant_at, deleting_at
)
SELECT
    getvariable('run'), n.id, w.created_at, u.id, t.id, coalesce(w.deleted, false),
    coalesce(w.name, CASE u.id WHEN 0 THEN 'prebuild-' ELSE 'workspace-' END || n.id), w.last_used_at,
    CASE WHEN u.id > 0 THEN nullif(w.autostart_schedule, '') END, CASE WHEN u.id > 0 THEN w.next_start_at END,
    CASE WHEN u.id > 0 AND w.ttl > 0 THEN w.ttl END, w.dormant_at, w.deleting_at
FROM staged.workspaces AS w
JOIN n_workspaces AS n ON n.uuid = w.id
JOIN n_users AS u ON u.uuid = w.owner_id
JOIN n_templates AS t ON t.uuid = w.template_id
ORDER BY n.id;

-- Of an agent's task it is known that it is one; not the app that shows it.
INSERT INTO workspace_builds (
    run_id, id, created_at, workspace_id, template_version_id, template_version_preset_id, build_number, transition,
    initiator_id, job_id, reason, deadline, max_deadline, has_external_agent, daily_cost, has_ai_task, ai_task_sidebar_app_id
)
SELECT
    getvariable('run'), n.id, b.created_at, w.id, v.id, p.id, b.build_number, b.transition, u.id, j.id,
    coalesce(b.reason, 'initiator'), CASE WHEN b.deadline IS NOT NULL THEN least(b.deadline, b.max_deadline) END,
    CASE WHEN b.deadline IS NOT NULL THEN b.max_deadline END, b.has_external_agent, coalesce(b.daily_cost, 0),
    b.has_ai_task, CASE WHEN b.has_ai_task THEN 'not imported' END
FROM staged.workspace_builds AS b
JOIN n_workspace_builds AS n ON n.uuid = b.id
JOIN n_workspaces AS w ON w.uuid = b.workspace_id
JOIN n_template_versions AS v ON v.uuid = b.template_version_id
JOIN n_users AS u ON u.uuid = b.initiator_id
JOIN n_provisioner_jobs AS j ON j.uuid = b.job_id
LEFT JOIN n_template_version_presets AS p ON p.uuid = b.template_version_preset_id
ORDER BY n.id;

-- One row a build, ready when its last agent is; agents of devcontainers come later, and nobody waits for them.
INSERT INTO workspace_agents (run_id, id, workspace_build_id, ready_at, lifecycle_state)
SELECT
    getvariable('run'), n.id, n.id,
    CASE WHEN count(*) = count(a.ready_at) THEN max(a.ready_at) END,
    CASE WHEN count(*) = count(a.ready_at) THEN 'ready' ELSE 'created' END
FROM staged.workspace_agents AS a
JOIN staged.workspace_resources AS r ON r.id = a.resource_id
JOIN staged.workspace_builds AS b ON b.job_id = r.job_id
JOIN n_workspace_builds AS n ON n.uuid = b.id
WHERE a.parent_id IS NULL AND b.transition = 'start'
GROUP BY n.id
ORDER BY n.id;

-- A hit: the first build is the reconciler's and the owner is a person now; the claim is the second build. A miss: a person
-- starts a workspace of a preset. Where a template has no agent, a workspace is ready when it is built.
INSERT INTO claims (run_id, id, created_at, preset_id, user_id, workspace_id, workspace_build_id, hit, ready_at)
SELECT
    getvariable('run'), c.id, c.created_at, coalesce(f.template_version_preset_id, c.template_version_preset_id), w.owner_id,
    w.id, c.id, f.initiator_id = 0,
    CASE
        WHEN a.id IS NOT NULL THEN CASE WHEN a.ready_at IS NOT NULL THEN greatest(a.ready_at, c.created_at) END
        WHEN j.job_status = 'succeeded' THEN j.completed_at
    END
FROM workspaces AS w
JOIN workspace_builds AS f ON f.run_id = w.run_id AND f.workspace_id = w.id AND f.build_number = 1
JOIN workspace_builds AS c
    ON c.run_id = w.run_id AND c.workspace_id = w.id AND c.build_number = CASE f.initiator_id WHEN 0 THEN 2 ELSE 1 END
JOIN provisioner_jobs AS j ON j.run_id = c.run_id AND j.id = c.job_id
LEFT JOIN workspace_agents AS a ON a.run_id = c.run_id AND a.workspace_build_id = c.id
WHERE w.run_id = getvariable('run') AND w.id IN (FROM n_workspaces SELECT id) AND w.owner_id > 0 AND c.transition = 'start'
    AND coalesce(f.template_version_preset_id, c.template_version_preset_id) IS NOT NULL
    AND c.created_at >= getvariable('start_at')
ORDER BY c.id;
