-- Which backtests were run, on what, and with what to show for it?
SELECT backtest_id, label, name, signals, universe, mode, first_session, last_session, selection_cut, net_sharpe,
       variants, reason, created_at
FROM backtest_list
ORDER BY backtest_id DESC;
