-- Which evaluation each backtest traded on, what that look found, and why it could not be traded today; NULL: it could.
CREATE VIEW traded_evaluations AS
SELECT t.backtest_id, CASE WHEN b.exploratory THEN 'EXPLORATORY' ELSE '' END AS label, b.name, t.signal, t.weight,
       t.evaluation_id, t.factor, t.version, e.horizon, e.look_no, e.approved, e.gate_t, e.gate_p, e.m_at, e.last_date,
       e.evaluated_at, b.created_at, gate_refusal(e, b.created_at) AS refused_today
FROM backtest_signals t
JOIN backtests b USING (backtest_id)
JOIN factor_evaluations e USING (evaluation_id);
