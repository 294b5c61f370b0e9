-- How much was tried: hypotheses, evaluations (M_raw), looks, M, and the head of the chain?
SELECT (SELECT count(*) FROM hypotheses) AS declared,
       (SELECT count(DISTINCT root_no) FROM hypotheses) AS different,
       (SELECT count(*) FROM factor_evaluations) AS m_raw, ledger_looks() AS looks, ledger_m() AS m,
       (SELECT block_no || ':' || encode(hash, 'hex') FROM ledger_blocks ORDER BY block_no DESC LIMIT 1) AS head;
