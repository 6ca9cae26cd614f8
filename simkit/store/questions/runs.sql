-- Which runs are there, and what made them?
SELECT
    run_id, scenario, seed, replication, coder_version, start_at, end_at, timezone, currency, simkit_version,
    timezone_database, digest
FROM runs
WHERE list_contains($runs, run_id)
ORDER BY scenario, seed, replication, run_id;
