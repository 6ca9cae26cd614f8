-- What did the scenario let happen, and who found no prebuild then? One row per event but for the end of a pause, which is
-- the until_at of its beginning; a version's activation and an invalidation are followed for an hour, in which pools are
-- built anew. claims and misses are those of the presets concerned; they are NULL for what concerns people's workspaces.
-- when: happened_at until until_at
WITH happened AS (
    SELECT
        e.*, r.timezone, r.end_at, v.name AS version, v.template_id,
        lag(e.event) OVER pauses AS before, lead(e.happened_at) OVER pauses AS next_at
    FROM scenario_events AS e
    JOIN runs AS r USING (run_id)
    LEFT JOIN template_versions AS v ON v.run_id = e.run_id AND v.id = e.template_version_id
    WHERE list_contains($runs, e.run_id)
    WINDOW pauses AS (PARTITION BY e.run_id, e.event IN ('pause', 'resume') ORDER BY e.happened_at, e.id)
),

-- A pause during a pause changes nothing; the end is the resume after the last of them.
spans AS (
    SELECT
        h.run_id, h.id, h.timezone, h.happened_at, h.event, h.version, h.template_id, h.preset, h.people,
        CASE
            WHEN h.event = 'pause' THEN coalesce(
                (SELECT min(r.happened_at) FROM scenario_events AS r
                 WHERE r.run_id = h.run_id AND r.event = 'resume' AND (r.happened_at, r.id) > (h.happened_at, h.id)),
                h.end_at)
            WHEN h.event IN ('activate', 'invalidate') THEN least(h.happened_at + INTERVAL 1 HOUR, h.end_at)
        END AS until_at
    FROM happened AS h
    WHERE h.event <> 'resume' AND NOT (h.event = 'pause' AND coalesce(h.before, '') = 'pause')
)

SELECT
    s.run_id, s.timezone, s.happened_at, s.until_at, s.event, s.version, s.preset, s.people,
    CASE WHEN s.until_at IS NOT NULL THEN count(c.id) END AS claims,
    CASE WHEN s.until_at IS NOT NULL THEN count(c.id) FILTER (WHERE NOT c.hit) END AS misses
FROM spans AS s
LEFT JOIN (
    SELECT c.run_id, c.id, c.created_at, c.hit, p.preset, t.id AS template_id
    FROM claims AS c
    JOIN presets AS p USING (run_id, preset_id)
    JOIN pooled AS pooled ON pooled.run_id = p.run_id AND pooled.preset = p.preset
    JOIN templates AS t ON t.run_id = p.run_id AND t.name = p.template
) AS c
    ON c.run_id = s.run_id AND c.created_at >= s.happened_at AND c.created_at < s.until_at
    AND (s.template_id IS NULL OR s.template_id = c.template_id) AND (s.preset IS NULL OR s.preset = c.preset)
GROUP BY s.run_id, s.id, s.timezone, s.happened_at, s.until_at, s.event, s.version, s.preset, s.people
ORDER BY s.run_id, s.happened_at, s.id;
