-- How does each paper account stand, and which of its signals may not be traded any more?
SELECT a.name, a.backtest_id, a.capital, last.session, last.equity, last.equity / a.capital - 1 AS earned, s.evenings,
       o.open_orders, f.fills, f.costs, lost.signals AS lost_signals, a.closed_because
FROM paper_accounts a
CROSS JOIN LATERAL (SELECT count(*) AS evenings FROM paper_sessions s WHERE s.account_id = a.account_id) s
CROSS JOIN LATERAL (
    SELECT count(*) AS open_orders FROM paper_orders o WHERE o.account_id = a.account_id AND o.status = 'open') o
CROSS JOIN LATERAL (
    SELECT count(*) AS fills, coalesce(sum(commission + spread + impact), 0) AS costs
    FROM paper_fills f WHERE f.account_id = a.account_id) f
CROSS JOIN LATERAL (SELECT string_agg(l.signal || ': ' || l.why, '; ') AS signals FROM lost_signals(a.backtest_id) l) lost
LEFT JOIN LATERAL (
    SELECT e.session, e.equity FROM paper_equity e WHERE e.account_id = a.account_id
    ORDER BY e.session DESC LIMIT 1) last ON true
ORDER BY a.account_id;
