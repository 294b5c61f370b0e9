-- Which verdicts would flip if M doubled?
SELECT signal, now.status AS status_now, twice.status AS status_at_twice_m, twice.reason, now.gate_p, now.m,
       now.gate_p * twice.m AS p_times_twice_m
FROM verdicts_at(ledger_m()) now
JOIN verdicts_at(2 * ledger_m()) twice USING (declaration_no, signal)
WHERE now.status <> twice.status
ORDER BY now.gate_p DESC, signal;
