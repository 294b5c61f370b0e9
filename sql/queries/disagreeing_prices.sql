-- Where do two price sources tell different stories?
SELECT d.company_id, c.ticker, d.source, d.other_source, d.what, count(*) AS bars, min(d.session) AS first,
       max(d.session) AS last, max(abs(d.difference)) AS largest
FROM price_disagreements d
LEFT JOIN companies c USING (company_id)
GROUP BY d.company_id, c.ticker, d.source, d.other_source, d.what
ORDER BY bars DESC, d.company_id, d.what;
