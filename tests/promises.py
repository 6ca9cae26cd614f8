"""What is always so in a control plane's tables, whatever happens and whoever is killed."""

from __future__ import annotations

from simkit.store.database import Database

IN_NUMBERS = """
    SELECT workspace_id FROM workspace_builds GROUP BY workspace_id
    HAVING min(build_number) <> 1 OR max(build_number) <> count(*) OR count(DISTINCT build_number) <> count(*)
"""
BUILDS = """
    SELECT
        b.*, j.job_status, j.completed_at, j.error, j.started_at,
        row_number() OVER (PARTITION BY b.workspace_id ORDER BY b.build_number DESC) = 1 AS is_latest
    FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id
"""
UNIQUE = (
    *("templates", "users", "organizations", "groups", "files", "provisioner_daemons", "notification_messages"),
    *("template_versions", "template_version_presets", "workspaces", "workspace_builds", "provisioner_jobs"),
    *("provisioner_job_logs", "workspace_resources", "workspace_agents", "workspace_agent_logs", "claims"),
)
PROMISES = {
    "every build has one job": """
        SELECT b.id FROM workspace_builds AS b LEFT JOIN provisioner_jobs AS j ON j.id = b.job_id
        GROUP BY b.id HAVING count(j.id) <> 1 OR bool_or(j.type <> 'workspace_build')""",
    "every job of a workspace build has its build": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN workspace_builds AS b ON b.job_id = j.id
        WHERE j.type = 'workspace_build' GROUP BY j.id HAVING count(b.id) <> 1""",
    "every import job has its version": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN template_versions AS v ON v.job_id = j.id
        WHERE j.type = 'template_version_import' GROUP BY j.id HAVING count(v.id) <> 1""",
    "every build has a workspace": """
        SELECT id FROM workspace_builds WHERE workspace_id NOT IN (SELECT id FROM workspaces)""",
    "every workspace has a build": """
        SELECT id FROM workspaces WHERE id NOT IN (SELECT workspace_id FROM workspace_builds)""",
    "build numbers have no gaps": IN_NUMBERS,
    "only the latest build of a workspace is in progress": f"""
        SELECT id FROM ({BUILDS}) WHERE completed_at IS NULL AND NOT is_latest""",
    "a job's instants are in order": """
        SELECT id FROM provisioner_jobs WHERE started_at < created_at OR completed_at < coalesce(started_at, created_at)
        OR canceled_at < created_at OR updated_at < started_at""",
    "a job that was taken has a daemon, and no other has": """
        SELECT id FROM provisioner_jobs WHERE (started_at IS NULL) <> (worker_id IS NULL)
        AND NOT (worker_id IS NULL AND job_status = 'failed' AND started_at = completed_at) -- the reaper's
        AND NOT (worker_id IS NULL AND started_at = created_at AND completed_at = created_at) -- Coder's own deletion
        OR worker_id NOT IN (SELECT id FROM provisioner_daemons)""",
    "prebuilds have no lifecycle": """
        SELECT id FROM workspaces WHERE owner_id = 0 AND coalesce(autostart_schedule, ttl::VARCHAR,
        next_start_at::VARCHAR, dormant_at::VARCHAR, deleting_at::VARCHAR) IS NOT NULL
        UNION ALL SELECT b.id FROM workspace_builds AS b JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE w.owner_id = 0 AND (b.deadline IS NOT NULL OR b.max_deadline IS NOT NULL)""",
    "an owner is the prebuilds user or somebody who is known": """
        SELECT id FROM workspaces WHERE owner_id <> 0 AND owner_id NOT IN (SELECT id FROM users)""",
    "a deadline is not after the max deadline": """
        SELECT id FROM workspace_builds
        WHERE max_deadline IS NOT NULL AND (deadline IS NULL OR deadline > max_deadline)""",
    "a claim leads to a build of its user's workspace": """
        SELECT c.id FROM claims AS c LEFT JOIN workspace_builds AS b
            ON b.id = c.workspace_build_id AND b.workspace_id = c.workspace_id
        LEFT JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE b.id IS NULL OR w.owner_id <> c.user_id OR b.transition <> 'start'
            OR (c.hit AND b.build_number < 2) OR (NOT c.hit AND b.build_number <> 1)""",
    "a workspace is claimed once": "SELECT workspace_id FROM claims GROUP BY workspace_id HAVING count(*) > 1",
    "a prebuild that has an owner was claimed": """
        SELECT w.id FROM workspaces AS w JOIN workspace_builds AS b ON b.workspace_id = w.id AND b.build_number = 1
        WHERE b.initiator_id = 0 AND w.owner_id <> 0 AND w.id NOT IN (SELECT workspace_id FROM claims WHERE hit)""",
    "the length of a job's log is that of its lines": """
        SELECT j.id FROM provisioner_jobs AS j LEFT JOIN provisioner_job_logs AS l ON l.job_id = j.id
        GROUP BY j.id, j.logs_length HAVING j.logs_length <> coalesce(sum(strlen(l.output)), 0)""",
    "the length of an agent's log is that of its lines": """
        SELECT a.id FROM workspace_agents AS a LEFT JOIN workspace_agent_logs AS l ON l.agent_id = a.id
        GROUP BY a.id, a.logs_length HAVING a.logs_length <> coalesce(sum(strlen(l.output)), 0)""",
    "what is deleted was deleted by a build, or never started": f"""
        SELECT w.id FROM workspaces AS w JOIN ({BUILDS}) AS b ON b.workspace_id = w.id AND b.is_latest
        WHERE w.deleted AND NOT (b.transition = 'delete' AND b.completed_at IS NOT NULL AND coalesce(b.error, '') = '')
        AND NOT (b.build_number = 1 AND b.job_status = 'canceled' AND b.started_at IS NULL)""",
    "a delete that succeeded leaves a deleted workspace": f"""
        SELECT w.id FROM workspaces AS w JOIN ({BUILDS}) AS b ON b.workspace_id = w.id
        WHERE b.transition = 'delete' AND b.job_status = 'succeeded' AND NOT w.deleted""",
    "agents belong to starts that were completed": f"""
        SELECT a.id FROM workspace_agents AS a LEFT JOIN ({BUILDS}) AS b ON b.id = a.workspace_build_id
        WHERE b.id IS NULL OR b.transition <> 'start' OR b.completed_at IS NULL OR coalesce(b.error, '') <> ''""",
    "resources belong to jobs that were completed": """
        SELECT r.id FROM workspace_resources AS r LEFT JOIN provisioner_jobs AS j ON j.id = r.job_id
        WHERE j.completed_at IS NULL OR coalesce(j.error, '') <> ''""",
    "presets belong to versions that were imported": """
        SELECT p.id FROM template_version_presets AS p LEFT JOIN template_versions AS v ON v.id = p.template_version_id
        LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id WHERE j.completed_at IS NULL""",
    "an active version was imported": """
        SELECT t.id FROM templates AS t LEFT JOIN template_versions AS v ON v.id = t.active_version_id
        LEFT JOIN provisioner_jobs AS j ON j.id = v.job_id
        WHERE t.active_version_id IS NOT NULL AND j.completed_at IS NULL""",
    "a started workspace of somebody's has had its deadline decided": f"""
        SELECT b.id FROM ({BUILDS}) AS b JOIN workspaces AS w ON w.id = b.workspace_id
        WHERE w.owner_id <> 0 AND b.transition = 'start' AND b.job_status = 'succeeded' AND b.initiator_id <> 0
        AND NOT EXISTS (SELECT 1 FROM lifecycle_decisions AS d WHERE d.workspace_build_id = b.id)""",
} | {f"ids of {table} are unique": f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1" for table in UNIQUE}


def broken_promises(database: Database) -> list[str]:
    """What is not as it always should be: the promise, and the ids that break it."""
    found = ((promise, database.rows(sql)) for promise, sql in PROMISES.items())
    return [f"{promise}: {[row[0] for row in rows]}" for promise, rows in found if rows]
