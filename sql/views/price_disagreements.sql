-- Where two sources tell the same bar of a company differently. Sources may stand on different split bases, so only what
-- does not depend on one is compared: the step from the session before, the other quotes in units of the close (both:
-- over 10 basis points, which is more than rounding to cents), and the turnover in money (over 1 %).
CREATE VIEW price_disagreements AS
WITH told_twice AS (
    SELECT company_id FROM prices GROUP BY company_id HAVING min(source) < max(source)
), newest AS (
    SELECT DISTINCT ON (company_id, session, source) company_id, session, source, open, high, low, close, volume
    FROM prices
    WHERE company_id IN (SELECT company_id FROM told_twice)
    ORDER BY company_id, session, source, known_at DESC
), bars AS (
    SELECT company_id, session, source, lag(session) OVER series AS previous, close / lag(close) OVER series AS step,
           open / close AS open, high / close AS high, low / close AS low, volume * close AS turnover
    FROM newest
    WINDOW series AS (PARTITION BY company_id, source ORDER BY session)
)
SELECT company_id, session, a.source, b.source AS other_source, told.what, told.value, told.other_value,
       told.value / nullif(told.other_value, 0) - 1 AS difference
FROM bars a
JOIN bars b USING (company_id, session)
CROSS JOIN LATERAL (
    VALUES ('step', CASE WHEN a.previous = b.previous THEN a.step END, b.step, 0.001),
           ('open', a.open, b.open, 0.001), ('high', a.high, b.high, 0.001), ('low', a.low, b.low, 0.001),
           ('turnover', a.turnover, b.turnover, 0.01)
) AS told (what, value, other_value, tolerance)
WHERE a.source < b.source AND abs(told.value - told.other_value) > told.tolerance * abs(told.other_value);
