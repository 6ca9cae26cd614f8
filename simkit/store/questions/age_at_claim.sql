-- How old were prebuilds when somebody claimed them? One row per hit: age in seconds; ttl_s is 0 where they never expire.
-- when: claimed_at
SELECT
    c.run_id,
    p.preset,
    c.created_at AS claimed_at,
    (epoch_us(c.created_at) - epoch_us(w.created_at)) / 1e6 AS age_s,
    p.invalidate_after_secs AS ttl_s
FROM claims AS c
JOIN presets AS p USING (run_id, preset_id)
JOIN workspaces AS w ON w.run_id = c.run_id AND w.id = c.workspace_id
WHERE list_contains($runs, c.run_id) AND c.hit
ORDER BY c.run_id, c.preset_id, c.created_at, c.id;
