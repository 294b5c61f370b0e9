-- How much was tried: hypotheses, evaluations and trials of HPO (M_raw), looks, M, and the head of the chain?
SELECT (SELECT count(*) FROM hypotheses) AS declared,
       (SELECT count(DISTINCT root_no) FROM hypotheses) AS different,
       (SELECT count(*) FROM factor_evaluations) + (SELECT count(*) FROM model_runs WHERE params ? 'hpo_trial') AS m_raw,
       (SELECT count(*) FROM model_runs WHERE params ? 'hpo_trial') AS hpo_trials,
       ledger_looks() AS looks, ledger_m() AS m,
       (SELECT block_no || ':' || encode(hash, 'hex') FROM ledger_blocks ORDER BY block_no DESC LIMIT 1) AS head;
