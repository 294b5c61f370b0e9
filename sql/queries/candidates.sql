-- What is near, and what keeps it from approval?
SELECT s.signal, s.reason, s.horizon, s.t_stat, s.gate_p * s.m AS p_times_m, s.ic_mean, s.detectable_ic, s.coverage,
       s.names, s.tier
FROM standing s
WHERE s.status = 'candidate'
ORDER BY s.gate_p, s.signal;
