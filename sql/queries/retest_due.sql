-- Which signals may be looked at again: twelve new months, or the months that an underpowered test waited for?
SELECT s.signal, s.status, s.verdict, s.reason, s.last_date, new.months AS new_months, s.gate_n, s.retest_after_n,
       coalesce(s.gate_n + new.months >= s.retest_after_n, false) AS waited_long_enough
FROM standing s
CROSS JOIN LATERAL (
    SELECT count(DISTINCT date_trunc('month', x.session)) AS months FROM sessions x
    WHERE x.session > s.last_date + 31 AND x.session <= (SELECT max(session) FROM prices)) new
WHERE new.months >= 12
ORDER BY waited_long_enough DESC, s.signal;
