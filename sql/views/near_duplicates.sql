-- Hypotheses with much the same ranks as an earlier one, from their latest evaluation, and that one's standing today.
CREATE VIEW near_duplicates AS
SELECT h.signal, h.horizon, (d ->> 'rho')::double precision AS rho, d ->> 'signal' AS resembles,
       s.verdict AS its_verdict, s.status AS its_status, h.hypothesis_no, (d ->> 'hypothesis_no')::integer AS earlier_no
FROM hypotheses h
JOIN LATERAL (SELECT e.near_duplicates FROM factor_evaluations e WHERE e.hypothesis_no = h.hypothesis_no
              ORDER BY e.evaluation_id DESC LIMIT 1) e ON true
CROSS JOIN LATERAL jsonb_array_elements(e.near_duplicates) d
LEFT JOIN hypotheses o ON o.hypothesis_no = (d ->> 'hypothesis_no')::integer
LEFT JOIN verdicts_at(ledger_m()) s ON s.declaration_no = o.declaration_no;
