-- How long did instances run, as what, and what does a cloud bill say? Instance-hours over the window: building, idle and
-- deleting are the pool's; failed were left behind by builds that failed; claimed are people's, from the claim or the
-- beginning of their own build to its stop, its deletion or the window's end; billed are all of them. Idle and deleting
-- together are what `summary` and `idle` call idle. A job that waits for a daemon runs nothing.
-- key: preset
WITH above_quota AS ( -- Coder looks at the quota between plan and apply: of these nothing was built
    SELECT b.run_id, b.id AS workspace_build_id
    FROM workspace_builds AS b
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    WHERE list_contains($runs, b.run_id) AND j.error = 'insufficient quota'
),

prebuilt AS (
    SELECT
        b.run_id, p.preset,
        sum(epoch_us(coalesce(b.completed_at, p.end_at)) - epoch_us(b.started_at))
            FILTER (WHERE q.run_id IS NULL) AS building_us,
        sum(epoch_us(coalesce(b.claimed_at, b.delete_created_at, p.end_at)) - epoch_us(b.completed_at))
            FILTER (WHERE b.build_status = 'succeeded') AS idle_us,
        sum(epoch_us(coalesce(b.delete_created_at, p.end_at)) - epoch_us(b.completed_at))
            FILTER (WHERE b.build_status = 'failed' AND b.completed_at > b.started_at AND q.run_id IS NULL) AS failed_us,
        sum(epoch_us(coalesce(b.deleted_at, p.end_at)) - epoch_us(b.delete_created_at)) AS deleting_us
    FROM prebuild_spans AS b
    JOIN presets AS p USING (run_id, preset_id)
    LEFT JOIN above_quota AS q ON q.run_id = b.run_id AND q.workspace_build_id = b.workspace_build_id
    WHERE list_contains($runs, b.run_id)
    GROUP BY ALL
),

builds AS (
    SELECT
        b.run_id, b.template_version_preset_id AS preset_id, b.transition, b.build_number, b.initiator_id,
        coalesce(c.hit, false) AND b.build_number > 1 AS takes_over, b.created_at, j.started_at, j.completed_at, j.job_status,
        lead(j.completed_at) OVER (PARTITION BY b.run_id, b.workspace_id ORDER BY b.build_number) AS next_completed_at
    FROM workspace_builds AS b
    JOIN provisioner_jobs AS j ON j.run_id = b.run_id AND j.id = b.job_id
    LEFT JOIN claims AS c ON c.run_id = b.run_id AND c.workspace_build_id = b.id
    WHERE list_contains($runs, b.run_id) AND b.has_external_agent IS NOT TRUE -- somebody else runs those
),

owned AS (
    SELECT
        b.run_id, p.preset,
        sum(epoch_us(CASE WHEN b.job_status = 'failed' THEN b.completed_at ELSE coalesce(b.next_completed_at, p.end_at) END)
            - epoch_us(CASE WHEN b.takes_over THEN b.created_at ELSE b.started_at END)) AS claimed_us,
        sum(epoch_us(coalesce(b.next_completed_at, p.end_at)) - epoch_us(b.completed_at))
            FILTER (WHERE b.job_status = 'failed' AND b.completed_at > b.started_at) AS failed_us
    FROM builds AS b
    JOIN presets AS p USING (run_id, preset_id)
    WHERE b.transition = 'start' AND NOT (b.build_number = 1 AND b.initiator_id = 0)
    GROUP BY ALL
),

spent AS (
    SELECT
        p.run_id, p.preset, min(p.preset_id) AS first_id, any_value(p.currency) AS currency,
        any_value(p.cost_per_instance_hour) AS cost_per_instance_hour,
        any_value(epoch_us(p.end_at) - epoch_us(p.start_at)) / 6.048e11 AS weeks
    FROM presets AS p
    WHERE list_contains($runs, p.run_id)
    GROUP BY ALL
),

counted AS (
    SELECT
        s.*,
        coalesce(b.building_us, 0) / 3.6e9 AS building_hours,
        coalesce(b.idle_us, 0) / 3.6e9 AS idle_hours,
        (coalesce(b.failed_us, 0) + coalesce(o.failed_us, 0)) / 3.6e9 AS failed_hours,
        coalesce(b.deleting_us, 0) / 3.6e9 AS deleting_hours,
        coalesce(o.claimed_us, 0) / 3.6e9 AS claimed_hours,
        (coalesce(b.building_us, 0) + coalesce(b.idle_us, 0) + coalesce(b.deleting_us, 0)) / 3.6e9 AS pool_hours,
        pool_hours + failed_hours + claimed_hours AS billed_hours
    FROM spent AS s
    LEFT JOIN prebuilt AS b ON b.run_id = s.run_id AND b.preset = s.preset
    LEFT JOIN owned AS o ON o.run_id = s.run_id AND o.preset = s.preset
)

SELECT
    run_id, preset, building_hours, idle_hours, deleting_hours, pool_hours, failed_hours, claimed_hours, billed_hours,
    pool_hours * cost_per_instance_hour AS pool_cost, billed_hours * cost_per_instance_hour AS billed_cost,
    pool_cost / weeks AS pool_cost_per_week, billed_cost / weeks AS billed_cost_per_week, weeks, currency
FROM counted
ORDER BY run_id, first_id;
