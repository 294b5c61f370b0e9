-- Which verdicts would flip if M doubled?
SELECT signal, now.status AS status_now, then.status AS status_at_twice_m, then.reason, now.gate_p, now.m,
       now.gate_p * then.m AS p_times_twice_m
FROM verdicts_at(ledger_m()) now
JOIN verdicts_at(2 * ledger_m()) then USING (declaration_no, signal)
WHERE now.status <> then.status
ORDER BY now.gate_p DESC, signal;
