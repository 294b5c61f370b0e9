-- Which names turned out to be one hypothesis?
SELECT root.signal AS first_called, h.signal AS also_called, h.horizon, h.sign, h.declared_at
FROM hypotheses h
JOIN hypotheses root ON root.hypothesis_no = h.root_no
WHERE h.root_no <> h.hypothesis_no
ORDER BY root.hypothesis_no, h.hypothesis_no;
