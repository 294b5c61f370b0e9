-- What did we reject or retire, and why?
SELECT s.signal, s.status, s.verdict, s.reason, s.t_stat, s.gate_p * s.m AS p_times_m, s.detectable_ic, s.coverage, s.names,
       s.gate_n, s.retest_after_n
FROM standing s
WHERE s.status IN ('rejected', 'retired')
ORDER BY s.verdict, s.reason, abs(s.t_stat) DESC NULLS LAST, s.signal;
