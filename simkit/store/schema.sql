-- One schema for every source of runs. Tables and columns are Coder's where Coder has them, behind a leading run_id.
-- Ids are whole numbers, unique within a run. Owner and initiator 0 is the system user `prebuilds`.
-- References are asserted on load: foreign keys would make updates fail in DuckDB.
-- A CONSTRAINT is named as in Coder where Coder has it, so that a refusal can say which rule was broken.

-- One row: the version of these tables.
CREATE TABLE schema_version (version INTEGER NOT NULL);

-- One row per run: a simulation of a scenario, an imported history, or a control plane.
CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    scenario VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    replication BIGINT NOT NULL,
    digest VARCHAR NOT NULL, -- of everything that decides the run
    simkit_version VARCHAR NOT NULL,
    coder_version VARCHAR NOT NULL,
    start_at TIMESTAMPTZ NOT NULL,
    end_at TIMESTAMPTZ NOT NULL,
    timezone VARCHAR NOT NULL,
    timezone_database VARCHAR NOT NULL,
    currency VARCHAR NOT NULL,
    CONSTRAINT window_has_a_length CHECK (start_at < end_at)
);

-- How the run's reconciler was set; durations in nanoseconds. A row a run.
CREATE TABLE reconciler_settings (
    run_id VARCHAR NOT NULL,
    reconciliation_interval BIGINT NOT NULL,
    reconciliation_backoff_interval BIGINT NOT NULL,
    reconciliation_backoff_lookback BIGINT NOT NULL,
    failure_hard_limit BIGINT NOT NULL -- 0: off
);

-- What the scenario lets happen at an instant, in order.
CREATE TABLE scenario_events (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    event VARCHAR NOT NULL CONSTRAINT scenario_event CHECK (
        event IN ('activate', 'invalidate', 'pause', 'resume', 'set_workspace_ttl', 'set_template_schedule')
    ),
    template_version_id BIGINT, -- that is activated
    preset VARCHAR, -- that is invalidated; NULL: every one
    people VARCHAR -- whose TTL is set
);

-- Every local hour of the window in each zone that the run speaks of, cut where the zone's offset changes.
CREATE TABLE local_hours (
    run_id VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    from_at TIMESTAMPTZ NOT NULL,
    until_at TIMESTAMPTZ NOT NULL,
    local_at TIMESTAMP NOT NULL, -- the wall clock at from_at
    CONSTRAINT hour_has_a_length CHECK (from_at < until_at)
);

-- Templates, with their schedules.
CREATE TABLE templates (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    active_version_id BIGINT, -- at the end of the window
    -- Its schedule when the window begins; durations in nanoseconds, as Coder stores them, 0 for off.
    default_ttl BIGINT NOT NULL,
    activity_bump BIGINT NOT NULL,
    autostart_days_of_week BIGINT NOT NULL, -- bit 0 is Monday
    autostop_requirement_days_of_week BIGINT NOT NULL,
    autostop_requirement_weeks BIGINT NOT NULL,
    failure_ttl BIGINT NOT NULL,
    time_til_dormant BIGINT NOT NULL,
    time_til_dormant_autodelete BIGINT NOT NULL,
    allow_user_autostart BOOLEAN NOT NULL,
    allow_user_autostop BOOLEAN NOT NULL,
    organization_id BIGINT NOT NULL DEFAULT 1,
    deleted BOOLEAN NOT NULL DEFAULT false,
    deprecated VARCHAR NOT NULL DEFAULT '' -- why, '' if it is not
);

-- People. In a simulation each owns one workspace at a time.
CREATE TABLE users (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL CONSTRAINT not_the_prebuilds_user CHECK (id > 0),
    username VARCHAR NOT NULL,
    quiet_hours_schedule VARCHAR NOT NULL, -- '' without
    suspended_at TIMESTAMPTZ,
    status VARCHAR NOT NULL DEFAULT 'active' CONSTRAINT user_status CHECK (status IN ('active', 'suspended', 'dormant')),
    is_template_admin BOOLEAN NOT NULL DEFAULT false,
    is_service_account BOOLEAN NOT NULL DEFAULT false -- of a program, not of a person
);

-- Organizations. The tables from this one to notification_messages are the control plane's alone, as are those that
-- say so.
CREATE TABLE organizations (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    name VARCHAR NOT NULL
);

-- A group allows its members, the prebuilds user (0) among them, workspaces of so much daily cost.
CREATE TABLE groups (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    quota_allowance BIGINT NOT NULL CONSTRAINT no_negative_quota CHECK (quota_allowance >= 0)
);

-- Who is in which group.
CREATE TABLE group_members (
    run_id VARCHAR NOT NULL,
    group_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL
);

-- Files that somebody uploaded.
CREATE TABLE files (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    hash VARCHAR NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(hash) = 64),
    created_at TIMESTAMPTZ NOT NULL,
    created_by BIGINT NOT NULL,
    mimetype VARCHAR NOT NULL
);

-- A file's bytes, in order of `piece` from 0 on. Coder keeps them in one column of `files`; DuckDB copies a value several
-- times on its way into a table, so that it takes a large one better in parts.
CREATE TABLE file_pieces (
    run_id VARCHAR NOT NULL,
    file_id BIGINT NOT NULL,
    piece BIGINT NOT NULL,
    data BLOB NOT NULL
);

-- Daemons of the control plane.
CREATE TABLE provisioner_daemons (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    organization_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    tags VARCHAR NOT NULL, -- a JSON object of text
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ
);

-- One row: the reconciler does nothing while it is paused.
CREATE TABLE prebuilds_settings (
    run_id VARCHAR NOT NULL,
    reconciliation_paused BOOLEAN NOT NULL
);

-- What people are told.
CREATE TABLE notification_messages (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    user_id BIGINT NOT NULL, -- who is told
    notification_template VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    workspace_id BIGINT
);

-- Versions of templates.
CREATE TABLE template_versions (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    template_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    job_id BIGINT, -- its import; NULL in a simulation, in which versions are imported already
    created_by BIGINT,
    has_ai_task BOOLEAN,
    has_external_agent BOOLEAN,
    cached_module_files BIGINT -- a file's id
);

-- Tags of the jobs that build workspaces of a version, beside those of its import job. In Coder the values are text of
-- the template, which is evaluated for each build: one that depends on the owner can mark the builds of prebuilds.
CREATE TABLE template_version_workspace_tags (
    run_id VARCHAR NOT NULL,
    template_version_id BIGINT NOT NULL,
    key VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    of_prebuilds BOOLEAN NOT NULL -- of them alone
);

-- Presets of template versions.
CREATE TABLE template_version_presets (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    template_version_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL CONSTRAINT length CHECK (length(description) <= 128),
    icon VARCHAR NOT NULL CONSTRAINT length CHECK (length(icon) <= 256),
    is_default BOOLEAN NOT NULL,
    desired_instances BIGINT NOT NULL CONSTRAINT no_negative_instances CHECK (desired_instances >= 0),
    invalidate_after_secs BIGINT NOT NULL CONSTRAINT no_negative_ttl CHECK (invalidate_after_secs >= 0), -- 0: never
    scheduling_timezone VARCHAR NOT NULL, -- '' without schedules
    last_invalidated_at TIMESTAMPTZ,
    timezone VARCHAR NOT NULL, -- that people think of this preset in
    cost_per_instance_hour DOUBLE NOT NULL CONSTRAINT no_negative_cost CHECK (cost_per_instance_hour >= 0)
);

-- The parameters that a preset sets.
CREATE TABLE template_version_preset_parameters (
    run_id VARCHAR NOT NULL,
    template_version_preset_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

-- The schedules of a preset.
CREATE TABLE template_version_preset_prebuild_schedules (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    preset_id BIGINT NOT NULL,
    cron_expression VARCHAR NOT NULL,
    desired_instances BIGINT NOT NULL
);

-- Workspaces and prebuilds, as they are at the end of the window.
CREATE TABLE workspaces (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    owner_id BIGINT NOT NULL,
    template_id BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    name VARCHAR NOT NULL,
    last_used_at TIMESTAMPTZ,
    autostart_schedule VARCHAR,
    next_start_at TIMESTAMPTZ,
    ttl BIGINT CONSTRAINT ttl_lasts CHECK (ttl > 0), -- nanoseconds
    dormant_at TIMESTAMPTZ,
    deleting_at TIMESTAMPTZ,
    -- A prebuild has no lifecycle until somebody claims it (but what the executor of v2.24 does to it).
    CONSTRAINT prebuilds_have_no_lifecycle CHECK (
        owner_id <> 0
        OR coalesce(autostart_schedule, ttl::VARCHAR, next_start_at::VARCHAR) IS NULL
    )
);

-- Each time that a workspace was started, stopped or deleted.
CREATE TABLE workspace_builds (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    workspace_id BIGINT NOT NULL,
    template_version_id BIGINT NOT NULL,
    template_version_preset_id BIGINT, -- NULL: none was chosen
    build_number BIGINT NOT NULL CONSTRAINT build_number_counts_from_1 CHECK (build_number > 0),
    transition VARCHAR NOT NULL CONSTRAINT workspace_transition CHECK (transition IN ('start', 'stop', 'delete')),
    initiator_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    deadline TIMESTAMPTZ,
    max_deadline TIMESTAMPTZ,
    has_ai_task BOOLEAN,
    ai_task_sidebar_app_id VARCHAR,
    has_external_agent BOOLEAN,
    daily_cost BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT workspace_builds_deadline_below_max_deadline CHECK (
        max_deadline IS NULL OR (deadline IS NOT NULL AND deadline <= max_deadline)
    ),
    CONSTRAINT workspace_builds_ai_task_sidebar_app_id_required CHECK (
        ((has_ai_task IS NULL OR has_ai_task = false) AND ai_task_sidebar_app_id IS NULL)
        OR (has_ai_task = true AND ai_task_sidebar_app_id IS NOT NULL)
    )
);

-- What daemons do: a job for each build.
CREATE TABLE provisioner_jobs (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ CONSTRAINT started_after_created CHECK (started_at >= created_at),
    canceled_at TIMESTAMPTZ CONSTRAINT canceled_after_created CHECK (canceled_at >= created_at),
    completed_at TIMESTAMPTZ CONSTRAINT completed_after_created CHECK (completed_at >= created_at),
    error VARCHAR,
    initiator_id BIGINT NOT NULL,
    type VARCHAR NOT NULL DEFAULT 'workspace_build' CONSTRAINT provisioner_job_type CHECK (
        type IN ('template_version_import', 'workspace_build', 'template_version_dry_run')
    ),
    organization_id BIGINT NOT NULL DEFAULT 1,
    tags VARCHAR NOT NULL DEFAULT '{}', -- a JSON object of text: what a daemon must satisfy
    worker_id BIGINT, -- the daemon that took it
    updated_at TIMESTAMPTZ, -- when its daemon was last heard of
    error_code VARCHAR,
    logs_length BIGINT NOT NULL DEFAULT 0 CONSTRAINT max_provisioner_logs_length CHECK (logs_length <= 1048576), -- bytes
    logs_overflowed BOOLEAN NOT NULL DEFAULT false,
    -- DuckDB computes it above joins: where an outer join finds no job it says 'pending', so look at the job's id there.
    job_status VARCHAR GENERATED ALWAYS AS (
        CASE
            WHEN completed_at IS NOT NULL THEN
                CASE
                    WHEN coalesce(error, '') <> '' THEN 'failed'
                    WHEN canceled_at IS NOT NULL THEN 'canceled'
                    ELSE 'succeeded'
                END
            WHEN coalesce(error, '') <> '' THEN 'failed'
            WHEN canceled_at IS NOT NULL THEN 'canceling'
            WHEN started_at IS NULL THEN 'pending'
            ELSE 'running'
        END
    )
);

-- What a job wrote.
CREATE TABLE provisioner_job_logs (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    source VARCHAR NOT NULL CONSTRAINT log_source CHECK (source IN ('provisioner_daemon', 'provisioner')),
    level VARCHAR NOT NULL CONSTRAINT log_level CHECK (level IN ('trace', 'debug', 'info', 'warn', 'error')),
    stage VARCHAR NOT NULL,
    output VARCHAR NOT NULL CONSTRAINT length CHECK (length(output) <= 1024)
);

-- How long the steps of a job took. The control plane's alone, as are those up to workspace_build_replacements.
CREATE TABLE provisioner_job_timings (
    run_id VARCHAR NOT NULL,
    job_id BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL,
    stage VARCHAR NOT NULL CONSTRAINT timing_stage CHECK (stage IN ('init', 'plan', 'graph', 'apply')),
    source VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    resource VARCHAR NOT NULL
);

-- The parameters of a build.
CREATE TABLE workspace_build_parameters (
    run_id VARCHAR NOT NULL,
    workspace_build_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

-- What a job made, by Terraform's names.
CREATE TABLE workspace_resources (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    transition VARCHAR NOT NULL CONSTRAINT resource_transition CHECK (transition IN ('start', 'stop', 'delete')),
    type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    daily_cost BIGINT NOT NULL DEFAULT 0
);

-- What a claim's plan would replace: the head start that was lost.
CREATE TABLE workspace_build_replacements (
    run_id VARCHAR NOT NULL,
    workspace_build_id BIGINT NOT NULL,
    resource VARCHAR NOT NULL,
    paths VARCHAR NOT NULL, -- the attributes that cannot be changed in place, separated by commas
    happened_at TIMESTAMPTZ NOT NULL
);

-- The agents of each start build that succeeded. In a simulation a build has one.
CREATE TABLE workspace_agents (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    workspace_build_id BIGINT NOT NULL,
    ready_at TIMESTAMPTZ, -- NULL: not ready when the window ended
    resource_id BIGINT,
    parent_id BIGINT, -- the agent in whose workspace this one's devcontainer runs; NULL for a template's own
    name VARCHAR NOT NULL DEFAULT 'main',
    created_at TIMESTAMPTZ,
    auth_token VARCHAR,
    auth_instance_id VARCHAR,
    operating_system VARCHAR NOT NULL DEFAULT 'linux',
    architecture VARCHAR NOT NULL DEFAULT 'amd64',
    lifecycle_state VARCHAR NOT NULL DEFAULT 'created' CONSTRAINT workspace_agent_lifecycle_state CHECK (
        lifecycle_state IN (
            'created', 'starting', 'start_timeout', 'start_error', 'ready', 'shutting_down', 'shutdown_timeout',
            'shutdown_error', 'off'
        )
    ),
    first_connected_at TIMESTAMPTZ,
    last_connected_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ, -- its startup scripts
    has_devcontainer_cli BOOLEAN NOT NULL DEFAULT false,
    logs_length BIGINT NOT NULL DEFAULT 0 CONSTRAINT max_logs_length CHECK (logs_length <= 1048576), -- bytes
    logs_overflowed BOOLEAN NOT NULL DEFAULT false
);

-- What an agent wrote. The control plane's alone, as are those up to task_workspace_apps.
CREATE TABLE workspace_agent_logs (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    agent_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    level VARCHAR NOT NULL CONSTRAINT log_level CHECK (level IN ('trace', 'debug', 'info', 'warn', 'error')),
    source VARCHAR NOT NULL,
    output VARCHAR NOT NULL
);

-- An agent is told to start anew, because somebody claimed its prebuild.
CREATE TABLE workspace_agent_reinitializations (
    run_id VARCHAR NOT NULL,
    agent_id BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    reason VARCHAR NOT NULL CONSTRAINT reinitialization_reason CHECK (reason IN ('prebuild_claimed'))
);

-- Devcontainers that an agent starts.
CREATE TABLE workspace_agent_devcontainers (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    workspace_agent_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    workspace_folder VARCHAR NOT NULL,
    config_path VARCHAR NOT NULL, -- '' without
    name VARCHAR NOT NULL
);

-- Apps of an agent.
CREATE TABLE workspace_apps (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    agent_id BIGINT NOT NULL,
    app_id VARCHAR NOT NULL, -- as the template's provider knows it
    slug VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL
);

-- AI tasks, in versions that keep them apart from builds; the app of each build is in task_workspace_apps.
CREATE TABLE tasks (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    owner_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    workspace_id BIGINT,
    template_version_id BIGINT NOT NULL,
    prompt VARCHAR NOT NULL,
    deleted_at TIMESTAMPTZ
);

-- The app of each build of an AI task.
CREATE TABLE task_workspace_apps (
    run_id VARCHAR NOT NULL,
    task_id BIGINT NOT NULL,
    workspace_build_number BIGINT NOT NULL,
    workspace_agent_id BIGINT,
    app_id VARCHAR
);

-- Somebody asked for a workspace of a preset: a prebuild (hit) or one built cold.
CREATE TABLE claims (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL, -- who comes while their own is being deleted gets one after it
    preset_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL CONSTRAINT not_the_prebuilds_user CHECK (user_id > 0),
    workspace_id BIGINT NOT NULL,
    workspace_build_id BIGINT NOT NULL,
    hit BOOLEAN NOT NULL,
    ready_at TIMESTAMPTZ CONSTRAINT ready_after_created CHECK (ready_at >= created_at) -- NULL: not ready when the window ended
);

-- A person works; `found` says with what: a workspace that runs, one that is starting, one that had to be started, one
-- just claimed, or none because the person is suspended.
CREATE TABLE sessions (
    run_id VARCHAR NOT NULL,
    id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL CONSTRAINT ended_after_started CHECK (ended_at >= started_at),
    found VARCHAR NOT NULL CONSTRAINT what_a_session_finds CHECK (found IN ('running', 'starting', 'started', 'claimed', 'nothing')),
    workspace_id BIGINT,
    workspace_build_id BIGINT, -- that the person found or waits for
    ready_at TIMESTAMPTZ
);

-- What the lifecycle executor did to a workspace or what befell it, and the numbers that it saw: those before the rule
-- acted, for 'started' those that the finished start gave it.
CREATE TABLE lifecycle_decisions (
    run_id VARCHAR NOT NULL,
    decided_at TIMESTAMPTZ NOT NULL,
    workspace_id BIGINT NOT NULL,
    rule VARCHAR NOT NULL,
    workspace_build_id BIGINT NOT NULL, -- the latest one before
    deadline TIMESTAMPTZ,
    max_deadline TIMESTAMPTZ,
    bumped_at TIMESTAMPTZ, -- when activity last moved the deadline, and from where
    bumped_from TIMESTAMPTZ,
    next_start_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    deleting_at TIMESTAMPTZ,
    bumps BIGINT NOT NULL, -- how often activity moved the build's deadline
    ttl BIGINT -- the workspace's own, in nanoseconds; for 'TTL changed' the new one
);

-- Each tick at which the reconciler acted on a preset, or at which what it saw made it hold still.
CREATE TABLE reconciler_decisions (
    run_id VARCHAR NOT NULL,
    decided_at TIMESTAMPTZ NOT NULL,
    preset_id BIGINT NOT NULL,
    desired BIGINT NOT NULL,
    actual BIGINT NOT NULL,
    expired BIGINT NOT NULL,
    starting BIGINT NOT NULL,
    deleted_expired BIGINT NOT NULL,
    deleted_oldest BIGINT NOT NULL,
    created BIGINT NOT NULL,
    canceled BIGINT NOT NULL,
    hard_limited BOOLEAN NOT NULL,
    backoff_until TIMESTAMPTZ
);

-- What each preset wants from an instant on, 0 while its version is not the active one.
CREATE TABLE desired_instances (
    run_id VARCHAR NOT NULL,
    preset_id BIGINT NOT NULL,
    from_at TIMESTAMPTZ NOT NULL,
    desired BIGINT NOT NULL
);

-- Which number stands for which of Coder's ids, so that a later import knows it again. The id itself is not kept.
CREATE TABLE imported_ids (
    run_id VARCHAR NOT NULL,
    of VARCHAR NOT NULL, -- a table's name
    digest UUID NOT NULL, -- MD5
    number BIGINT NOT NULL
);

-- One row per preset, with what questions ask of it. Presets of one name in several versions keep one name.
CREATE VIEW presets AS
SELECT
    p.run_id,
    p.id AS preset_id,
    t.name AS template,
    v.name AS version,
    p.name AS preset,
    p.timezone,
    p.cost_per_instance_hour,
    p.invalidate_after_secs,
    r.currency,
    r.start_at,
    r.end_at
FROM template_version_presets AS p
JOIN template_versions AS v ON v.run_id = p.run_id AND v.id = p.template_version_id
JOIN templates AS t ON t.run_id = v.run_id AND t.id = v.template_id
JOIN runs AS r ON r.run_id = p.run_id;

-- The presets that want a prebuild at some time: the others have no pool, and who asks for them is served by none.
CREATE VIEW pooled AS
SELECT DISTINCT p.run_id, p.preset
FROM presets AS p
JOIN desired_instances AS d USING (run_id, preset_id)
WHERE d.desired > 0;

-- Each hour of the local week (weekday 0 is Monday) of each preset, and how many hours the window has there.
CREATE VIEW preset_hours AS
SELECT
    p.run_id, p.preset, h.timezone, min(p.preset_id) AS first_id, any_value(p.currency) AS currency,
    isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour,
    -- A preset of several versions has its hours once.
    sum(epoch_us(h.until_at) - epoch_us(h.from_at)) / 3.6e9 / count(DISTINCT p.preset_id) AS hours
FROM presets AS p
JOIN local_hours AS h USING (run_id, timezone)
GROUP BY p.run_id, p.preset, h.timezone, isodow(h.local_at), hour(h.local_at);

-- Each local hour under every UTC hour that it touches (utc_hour: whole hours since 1970): an instant finds its own by an
-- equality first, which costs far less than an inequality alone where millions look.
CREATE VIEW hour_parts AS
SELECT
    run_id, timezone, from_at, until_at, local_at,
    unnest(range(epoch_us(from_at) // 3600000000, (epoch_us(until_at) - 1) // 3600000000 + 1)) AS utc_hour
FROM local_hours;

-- One row per workspace that the reconciler made: when it was wanted, built, claimed and deleted.
CREATE VIEW prebuild_spans AS
WITH ends AS (
    SELECT
        e.run_id, e.workspace_id,
        min(e.created_at) AS created_at, min(e.created_at) FILTER (WHERE e.initiator_id = 0) AS pool_created_at,
        -- One whose deletion the reaper ended is still there.
        min(j.completed_at) FILTER (WHERE j.error IS NULL) AS completed_at,
        min(j.completed_at) FILTER (WHERE j.error IS NULL AND e.initiator_id = 0) AS pool_completed_at
    FROM workspace_builds AS e
    JOIN provisioner_jobs AS j ON j.run_id = e.run_id AND j.id = e.job_id
    WHERE e.transition <> 'start'
    GROUP BY ALL
)

SELECT
    b.run_id,
    b.workspace_id,
    b.template_version_preset_id AS preset_id,
    b.id AS workspace_build_id,
    b.created_at,
    j.started_at,
    j.completed_at,
    j.job_status AS build_status,
    c.created_at AS claimed_at,
    -- The reconciler deletes what runs, an operator what failed. In v2.24 the executor may stop it before: it is then as
    -- good as deleted, for it runs no more. Of what was cancelled there is nothing to delete.
    CASE j.job_status WHEN 'failed' THEN d.created_at WHEN 'canceled' THEN NULL ELSE d.pool_created_at END
        AS delete_created_at,
    CASE j.job_status WHEN 'failed' THEN d.completed_at WHEN 'canceled' THEN NULL ELSE d.pool_completed_at END
        AS deleted_at
FROM workspace_builds AS b
JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
-- Of a claimed one the second build is the claim's. Who claims it may have asked earlier, and waited for the end of an
-- older workspace: claims.created_at says when.
LEFT JOIN workspace_builds AS c
    ON c.run_id = b.run_id AND c.workspace_id = b.workspace_id AND c.build_number = 2 AND c.transition = 'start'
LEFT JOIN ends AS d ON d.run_id = b.run_id AND d.workspace_id = b.workspace_id
WHERE b.build_number = 1 AND b.initiator_id = 0;

-- The same, and when its agent was ready.
CREATE VIEW prebuilds AS
SELECT s.*, a.ready_at
FROM prebuild_spans AS s
LEFT JOIN workspace_agents AS a ON a.run_id = s.run_id AND a.workspace_build_id = s.workspace_build_id;

-- Each span in which an instance runs, for nobody (a prebuild) or for a person: from the end of its start, or from the
-- claim that gave it an owner, to the end of its stop or deletion, the claim, or the window's end.
CREATE VIEW instances AS
WITH builds AS (
    SELECT
        b.run_id, b.workspace_id, b.template_version_preset_id AS preset_id, b.id AS workspace_build_id, b.build_number,
        b.transition, j.completed_at, j.job_status, c.id IS NOT NULL AS is_claim, c.hit AND b.build_number > 1 AS takes_over,
        b.created_at, b.initiator_id, b.has_external_agent
    FROM workspace_builds AS b
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    LEFT JOIN claims AS c ON c.run_id = b.run_id AND c.workspace_build_id = b.id
),

spans AS (
    SELECT
        run_id, workspace_id, preset_id, workspace_build_id, transition, job_status,
        coalesce(takes_over, false) AS takes_over, has_external_agent,
        build_number > 1 OR is_claim AS owned,
        CASE WHEN takes_over THEN created_at ELSE completed_at END AS from_at,
        CASE WHEN lead(takes_over) OVER next_build THEN lead(created_at) OVER next_build
            ELSE lead(completed_at) OVER next_build END AS until_at
    FROM builds
    WINDOW next_build AS (PARTITION BY run_id, workspace_id ORDER BY build_number)
)

SELECT
    s.run_id, s.workspace_id, s.preset_id, s.workspace_build_id, s.owned, s.from_at, coalesce(s.until_at, r.end_at) AS until_at
FROM spans AS s
JOIN runs AS r USING (run_id)
WHERE s.transition = 'start' AND (s.job_status = 'succeeded' OR s.takes_over)
    AND s.has_external_agent IS NOT TRUE; -- somebody else runs those

-- Each span in which the hard limit kept the reconciler from building what a preset wanted: from the tick at which it
-- first did to the deletion of one of the failures, to another version's activation, or to the window's end (ended_by
-- is 'deletion', 'version' or NULL). Nothing is built in it, so that nothing else can end it.
CREATE VIEW hard_limits AS
WITH limits AS (
    SELECT run_id, failure_hard_limit FROM reconciler_settings
),

held AS (
    SELECT
        d.run_id, d.preset_id, d.decided_at, f.delete_created_at,
        row_number() OVER (
            PARTITION BY d.run_id, d.preset_id, d.decided_at ORDER BY f.created_at DESC, f.workspace_id DESC
        ) AS newest
    FROM reconciler_decisions AS d
    JOIN prebuild_spans AS f
        ON f.run_id = d.run_id AND f.preset_id = d.preset_id AND f.build_status = 'failed' AND f.completed_at <= d.decided_at
        AND coalesce(f.delete_created_at, 'infinity'::TIMESTAMPTZ) > d.decided_at
    WHERE d.hard_limited
),

cleared AS (
    SELECT h.run_id, h.preset_id, h.decided_at, min(h.delete_created_at) AS cleared_at, count(*) AS failures
    FROM held AS h
    LEFT JOIN limits AS l USING (run_id)
    WHERE h.newest <= coalesce(l.failure_hard_limit, 3)
    GROUP BY ALL
),

versions AS (
    SELECT
        run_id, id AS template_version_id,
        lead(created_at) OVER (PARTITION BY run_id, template_id ORDER BY created_at, id) AS replaced_at
    FROM template_versions
)

SELECT
    c.run_id, c.preset_id, min(c.decided_at) AS from_at, least(c.cleared_at, v.replaced_at, r.end_at) AS until_at,
    CASE least(c.cleared_at, v.replaced_at) WHEN v.replaced_at THEN 'version' WHEN c.cleared_at THEN 'deletion' END AS ended_by,
    any_value(c.failures) AS failures
FROM cleared AS c
JOIN runs AS r USING (run_id)
JOIN template_version_presets AS p ON p.run_id = c.run_id AND p.id = c.preset_id
JOIN versions AS v ON v.run_id = c.run_id AND v.template_version_id = p.template_version_id
GROUP BY c.run_id, c.preset_id, c.cleared_at, v.replaced_at, r.end_at;

-- What columns hold: a name means the same wherever it stands, but where TABLE.NAME says what it is there. What stands
-- beside a column above is added to it. The reference is made of these lines.
-- action: what Terraform did.
-- activity_bump: by how much activity moves the deadline.
-- actual: prebuilds that run and are not claimed.
-- agent_id: the agent.
-- ai_task_sidebar_app_id: the app in which the AI task is seen.
-- allow_user_autostart: whether people's autostart schedules are heard.
-- allow_user_autostop: whether people may set a TTL of their own.
-- app_id: the app.
-- architecture: of the machine.
-- auth_instance_id: the cloud's id of the machine, by which an agent without a token is known.
-- auth_token: by which an agent is known.
-- autostart_days_of_week: the days on which autostart works, as bits.
-- autostart_schedule: when the workspace starts by itself, as a cron expression with its zone.
-- autostop_requirement_days_of_week: the days on which workspaces have to stop, as bits.
-- autostop_requirement_weeks: each how many weeks they have to.
-- backoff_until: until when the reconciler waits after failed builds; NULL where it does not.
-- body: the message.
-- build_number: counts the builds of a workspace.
-- build_status: what became of the job that built it.
-- bumped_at: when activity last moved the deadline.
-- bumped_from: the deadline before that.
-- bumps: how often activity moved the deadline.
-- cached_module_files: the archive of Terraform modules that the version was imported with.
-- canceled: builds that nobody had begun and that the reconciler cancelled.
-- canceled_at: when somebody cancelled the job.
-- claimed_at: when somebody claimed it; NULL where nobody did.
-- coder_version: Coder's version whose rules the run has.
-- completed_at: when the job ended.
-- config_path: the devcontainer's configuration.
-- cost_per_instance_hour: the price of an instance-hour, in the run's currency.
-- created: prebuilds that the reconciler began to build.
-- created_at: when it was made.
-- created_by: the person who made it.
-- cron_expression: the hours in which the schedule holds.
-- currency: what costs are in.
-- daily_cost: what it takes of the quota.
-- data: the bytes.
-- deadline: when the workspace is stopped; NULL for none.
-- decided_at: when it was decided.
-- default_ttl: how long a workspace runs after its start until it is stopped.
-- delete_created_at: when its deletion was ordered.
-- deleted: whether it is gone.
-- deleted_at: when it was gone; NULL where it is still there.
-- deleted_expired: prebuilds that the reconciler deleted because they were too old.
-- deleted_oldest: prebuilds that the reconciler deleted because there were too many.
-- deleting_at: when a dormant workspace is to be deleted.
-- deprecated: why nobody should take the template any more.
-- description: what people read of it.
-- desired: prebuilds that are wanted.
-- desired_instances: how many prebuilds are wanted.
-- digest: a checksum.
-- display_name: what people read.
-- dormant_at: since when the workspace is dormant; NULL where it is not.
-- end_at: the end of the run's window.
-- ended_at: when it ended.
-- ended_by: what ended it.
-- error: why the job failed; NULL where it did not.
-- error_code: which of Coder's reasons it was.
-- event: what happens.
-- expired: of the prebuilds that run, those that are too old.
-- failure_hard_limit: failed builds in a row after which no more are made for a preset.
-- failure_ttl: how long a failed start stands until it is stopped.
-- failures: how many failed builds it took.
-- file_id: the file.
-- first_connected_at: when the agent first spoke to Coder.
-- first_id: the first preset of this name.
-- found: what the person found.
-- from_at: since when it is so.
-- group_id: the group.
-- happened_at: when it happened.
-- hard_limited: whether the hard limit kept the reconciler from building.
-- has_ai_task: whether it is an AI task.
-- has_devcontainer_cli: whether the agent can start devcontainers.
-- has_external_agent: whether its agent runs on a machine that is not Coder's.
-- hash: SHA-256 of the bytes.
-- hit: whether the claim got a prebuild.
-- hour: of the local day, 0 to 23.
-- hours: how many hours the window has there.
-- icon: the picture that people see.
-- id: the row's own number in its run.
-- initiator_id: who asked for it; 0 is the reconciler.
-- invalidate_after_secs: how many seconds a prebuild lives.
-- is_default: whether it is chosen if nobody chooses.
-- is_service_account: whether the account is no person's.
-- is_template_admin: whether the person is told of what happens to templates.
-- job_id: the provisioner job.
-- job_status: what became of the job: pending, running, succeeded, failed, canceling or canceled.
-- key: the tag's name.
-- last_connected_at: when the agent last spoke to Coder.
-- last_invalidated_at: when somebody last said that its prebuilds are worth nothing; NULL for never.
-- last_seen_at: when the daemon last spoke to Coder.
-- last_used_at: when somebody last used the workspace.
-- level: how much it matters.
-- lifecycle_state: how far the agent is.
-- local_at: the wall clock.
-- logs_length: how long the log is.
-- logs_overflowed: whether it was cut off.
-- max_deadline: the latest that activity can move the deadline to; NULL for no limit.
-- mimetype: what kind of file it is.
-- name: what it is called.
-- next_start_at: when the workspace starts by itself next.
-- notification_template: which of Coder's messages it is.
-- number: the number that stands for it here.
-- of: what the id is one of.
-- of_prebuilds: whether jobs of prebuilds alone have the tag.
-- operating_system: of the machine.
-- organization_id: the organization.
-- output: what was written.
-- owned: whether a person has it.
-- owner_id: whose workspace it is; 0 for a prebuild.
-- parent_id: the agent above it.
-- paths: what would change.
-- people: the group of people.
-- piece: counts the pieces of a file.
-- preset: the preset's name.
-- preset_id: the preset.
-- prompt: what the task is told to do.
-- quiet_hours_schedule: when the person's quiet hours begin, as a cron expression with its zone.
-- quota_allowance: how much daily cost a member may take.
-- ready_at: when the agent was ready, and somebody could work.
-- reason: why.
-- reconciliation_backoff_interval: how much longer the reconciler waits for each failed build.
-- reconciliation_backoff_lookback: how far back failed builds count for that.
-- reconciliation_interval: between two ticks of the reconciler.
-- reconciliation_paused: whether the reconciler rests.
-- replication: counts the runs of a scenario and seed, from 0 on.
-- resource: the Terraform resource.
-- resource_id: the resource that the agent runs on.
-- rule: which rule acted.
-- run_id: the run that the row is of.
-- scenario: the scenario's name.
-- scheduling_timezone: the clocks that the schedules are read by.
-- seed: of all chance.
-- simkit_version: what made the run.
-- slug: the app's name in addresses.
-- source: what wrote it.
-- stage: in which step.
-- start_at: the beginning of the run's window.
-- started_at: when it began.
-- starting: prebuilds that are being built.
-- status: active, suspended or dormant.
-- suspended_at: since when the account is suspended.
-- tags: which daemons can do which jobs.
-- task_id: the AI task.
-- template: the template's name.
-- template_id: the template.
-- template_version_id: the template's version.
-- template_version_preset_id: the preset.
-- time_til_dormant: how long a workspace is not used until it becomes dormant.
-- time_til_dormant_autodelete: how long a dormant workspace stands until it is deleted.
-- timezone: the clocks that local time is read by.
-- timezone_database: the release of the time zones that were used.
-- title: the message's heading.
-- transition: start, stop or delete.
-- ttl: the workspace's own TTL; NULL for none.
-- type: what kind it is.
-- until_at: until when it is so.
-- updated_at: when the job's daemon last spoke.
-- user_id: the person.
-- username: what the person is called.
-- utc_hour: the hour in UTC, counted from 1970 on.
-- value: what it is set to.
-- version: the template version's name.
-- weekday: of the local week.
-- worker_id: the daemon.
-- workspace_agent_id: the agent.
-- workspace_build_id: the build.
-- workspace_build_number: the build, counted in its workspace.
-- workspace_folder: the folder in the workspace.
-- workspace_id: the workspace.
-- active_version_id: the version whose presets count.
-- schema_version.version: of the tables.
-- provisioner_job_timings.source: what took the time.
-- provisioner_daemons.tags: the tags that it has.
-- provisioner_jobs.type: what the job is for.
-- workspace_resources.type: the Terraform type.
-- runs.timezone: the scenario's clocks.
-- claims.created_at: when somebody asked.
-- prebuild_spans.created_at: when the reconciler wanted it.
-- prebuilds.created_at: when the reconciler wanted it.
-- prebuild_spans.started_at: when a daemon began to build it.
-- prebuilds.started_at: when a daemon began to build it.
-- tasks.deleted_at: when the task was deleted; NULL where it was not.
-- scenario_events.preset: the preset's name.
-- notification_messages.user_id: who gets it.
-- workspace_agents.started_at: when the agent began with what it has to start.
-- reconciler_decisions.desired: prebuilds that the preset wants at that time.
-- lifecycle_decisions.workspace_build_id: the workspace's build.
