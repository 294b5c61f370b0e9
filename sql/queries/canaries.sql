-- Which factors has the canary been run on, and which did it catch?
SELECT DISTINCT ON (factor, version, code_hash, params_hash) factor, version, passed, run_at, days,
       detail ->> 'sentence' AS what
FROM canaries
ORDER BY factor, version, code_hash, params_hash, canary_id DESC;
