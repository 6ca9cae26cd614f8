-- Which builds of prebuilds did the quota of their group end? One row per build; each counts as a failed build, too.
-- when: happened_at
SELECT b.run_id, p.preset, p.timezone, b.id AS workspace_build_id, j.completed_at AS happened_at
FROM provisioner_jobs AS j
JOIN workspace_builds AS b ON b.run_id = j.run_id AND b.job_id = j.id
JOIN presets AS p ON p.run_id = b.run_id AND p.preset_id = b.template_version_preset_id
WHERE list_contains($runs, j.run_id) AND j.error = 'insufficient quota'
ORDER BY b.run_id, happened_at, b.id;
