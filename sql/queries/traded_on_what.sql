-- What traded on what evaluation, and would the gate still let it through?
SELECT backtest_id, label, name, signal, weight, evaluation_id, look_no, gate_p, m_at, evaluated_at, refused_today
FROM traded_evaluations
ORDER BY backtest_id DESC, signal;
