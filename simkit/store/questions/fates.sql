-- What became of the prebuilds? Counts that add up to created: expired includes those of an invalidated preset; surplus
-- were deleted because fewer were wanted or their version was no longer active, stopped by the executor of v2.24.
-- key: preset
WITH deleted AS (
    SELECT run_id, preset_id, sum(deleted_expired) AS expired, sum(deleted_oldest) AS surplus
    FROM reconciler_decisions
    WHERE list_contains($runs, run_id)
    GROUP BY ALL
),

lives AS (
    SELECT
        run_id,
        preset_id,
        count(*) AS created,
        count(claimed_at) AS claimed,
        count(*) FILTER (WHERE build_status = 'failed') AS failed,
        count(*) FILTER (WHERE build_status = 'canceled') AS canceled,
        count(*) FILTER (WHERE build_status = 'succeeded' AND claimed_at IS NULL AND delete_created_at IS NULL) AS waiting,
        count(*) FILTER (WHERE build_status = 'succeeded' AND claimed_at IS NULL AND delete_created_at IS NOT NULL) AS gone,
        count(*) FILTER (WHERE build_status IN ('pending', 'running')) AS building
    FROM prebuild_spans
    WHERE list_contains($runs, run_id)
    GROUP BY ALL
)

SELECT
    p.run_id,
    p.preset,
    coalesce(sum(l.created), 0)::BIGINT AS created,
    coalesce(sum(l.claimed), 0)::BIGINT AS claimed,
    coalesce(sum(d.expired), 0)::BIGINT AS expired,
    coalesce(sum(d.surplus), 0)::BIGINT AS surplus,
    coalesce(sum(l.gone), 0)::BIGINT - coalesce(sum(d.expired), 0)::BIGINT - coalesce(sum(d.surplus), 0)::BIGINT AS stopped,
    coalesce(sum(l.failed), 0)::BIGINT AS failed,
    coalesce(sum(l.canceled), 0)::BIGINT AS canceled,
    coalesce(sum(l.waiting), 0)::BIGINT AS waiting,
    coalesce(sum(l.building), 0)::BIGINT AS building
FROM presets AS p
LEFT JOIN lives AS l USING (run_id, preset_id)
LEFT JOIN deleted AS d USING (run_id, preset_id)
WHERE list_contains($runs, p.run_id)
GROUP BY p.run_id, p.preset
ORDER BY p.run_id, min(p.preset_id);
