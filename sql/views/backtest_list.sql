-- Backtests to be read by a person: on what, when, how well, and whether the gate was told to look away.
CREATE VIEW backtest_list AS
SELECT b.backtest_id, CASE WHEN b.exploratory THEN 'EXPLORATORY' ELSE '' END AS label, b.name, s.signals, b.universe,
       b.mode, b.first_session, b.last_session, b.selection_cut,
       b.net_mean / nullif(b.net_sd, 0) * sqrt(252) AS net_sharpe, b.net_n, b.variants, b.reason, b.created_at,
       b.load_id, b.code_version, b.spec_hash
FROM backtests b
CROSS JOIN LATERAL (
    SELECT string_agg(t.signal, ', ' ORDER BY t.signal) AS signals FROM backtest_signals t
    WHERE t.backtest_id = b.backtest_id) s;
