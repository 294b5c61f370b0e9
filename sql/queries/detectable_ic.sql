-- How small an IC could each signal's test have found, and how many months would a given one need?
SELECT s.signal, e.horizon, e.gate_n, e.gate_sd, e.detectable_ic, e.months_02, e.months_03, e.months_05, s.verdict
FROM standing s
JOIN factor_evaluations e USING (evaluation_id)
ORDER BY e.detectable_ic NULLS LAST, s.signal;
