-- Which prebuilds' builds failed, and when did the reconciler hold still because of it? One row per failed build, per
-- distinct end of a backoff and per span of a hard limit, in order of time. until_at: the end of the backoff or of the limit.
-- when: happened_at until until_at
SELECT run_id, preset, timezone, happened_at, what, until_at
FROM (
    SELECT b.run_id, p.preset, p.timezone, b.preset_id, b.completed_at AS happened_at, 'build failed' AS what, NULL AS until_at, 0 AS place
    FROM prebuild_spans AS b
    JOIN presets AS p USING (run_id, preset_id)
    WHERE b.build_status = 'failed'
    UNION ALL
    SELECT d.run_id, p.preset, p.timezone, d.preset_id, d.decided_at, 'backoff', d.backoff_until, 1
    FROM reconciler_decisions AS d
    JOIN presets AS p USING (run_id, preset_id)
    WHERE d.backoff_until IS NOT NULL
    UNION ALL
    SELECT l.run_id, p.preset, p.timezone, l.preset_id, l.from_at, 'hard limit', l.until_at, 2
    FROM hard_limits AS l
    JOIN presets AS p USING (run_id, preset_id)
)
WHERE list_contains($runs, run_id)
ORDER BY run_id, happened_at, preset_id, place;
