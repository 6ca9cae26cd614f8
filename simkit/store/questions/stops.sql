-- When and by which rule do people's workspaces stop, start by themselves, go dormant and get deleted? One row per rule
-- and hour of the local week (weekday 0 is Monday) in which it acted.
-- key: rule, timezone, weekday, hour
SELECT
    d.run_id, d.rule, p.timezone, isodow(h.local_at) - 1 AS weekday, hour(h.local_at) AS hour, count(*) AS times,
    count(*) FILTER (WHERE d.deadline = d.max_deadline) AS at_max_deadline,
    count(*) FILTER (WHERE d.bumps > 0) AS bumped
FROM lifecycle_decisions AS d
JOIN workspace_builds AS b ON b.run_id = d.run_id AND b.id = d.workspace_build_id
JOIN presets AS p ON p.run_id = b.run_id AND p.preset_id = b.template_version_preset_id
ASOF JOIN local_hours AS h ON h.run_id = d.run_id AND h.timezone = p.timezone AND d.decided_at >= h.from_at
WHERE list_contains($runs, d.run_id)
    -- In v2.24 prebuilds have a life, too.
    AND NOT (b.initiator_id = 0 AND (b.build_number = 1 OR b.transition <> 'start'))
GROUP BY ALL
ORDER BY d.run_id, d.rule, p.timezone, weekday, hour;
