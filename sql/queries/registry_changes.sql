-- What changed in the registry, and when?
SELECT changed_at, name, status_before, status, row ->> 'verdict' AS verdict, row ->> 'reason' AS reason,
       (row ->> 'm')::bigint AS m
FROM signal_registry_history
WHERE status_before IS DISTINCT FROM status
ORDER BY changed_at DESC, name;
