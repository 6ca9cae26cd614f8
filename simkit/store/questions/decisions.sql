-- What did the reconciler decide, when, and what did it see? One row per preset and tick at which it acted or held still.
-- when: decided_at
SELECT
    d.run_id, d.decided_at, d.desired, d.actual, d.expired, d.starting, d.deleted_expired, d.deleted_oldest, d.created,
    d.canceled, d.hard_limited, d.backoff_until, p.preset, p.version
FROM reconciler_decisions AS d
JOIN presets AS p USING (run_id, preset_id)
WHERE list_contains($runs, d.run_id)
ORDER BY d.run_id, d.decided_at, d.preset_id;
