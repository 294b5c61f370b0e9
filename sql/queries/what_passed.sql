-- What passed, and at what M?
SELECT s.signal, s.horizon, s.horizons, s.t_stat, s.gate_p, s.m, s.gate_p * s.m AS p_times_m, s.ic_mean, s.detectable_ic,
       s.coverage, s.names, s.tier, s.declining, s.last_date
FROM standing s
WHERE s.status = 'approved'
ORDER BY s.gate_p, s.signal;
