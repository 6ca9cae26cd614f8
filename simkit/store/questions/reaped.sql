-- Which jobs did the reaper end, because no daemon had taken them for half an hour? One row per preset: how many, of them
-- the builds of prebuilds and the claims and other builds of people, and when the first and the last ended.
-- key: preset
SELECT
    j.run_id, p.preset, p.timezone,
    count(*) AS jobs,
    count(*) FILTER (WHERE b.initiator_id = 0) AS of_prebuilds,
    count(*) FILTER (WHERE b.initiator_id <> 0) AS of_people,
    min(j.completed_at) AS first_at, max(j.completed_at) AS last_at
FROM provisioner_jobs AS j
JOIN workspace_builds AS b ON b.run_id = j.run_id AND b.job_id = j.id
JOIN presets AS p ON p.run_id = b.run_id AND p.preset_id = b.template_version_preset_id
WHERE list_contains($runs, j.run_id) AND j.error LIKE 'Coder: Build has been detected as pending%'
GROUP BY ALL
ORDER BY j.run_id, first_at, p.preset;
