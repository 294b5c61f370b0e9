-- Companies as they are called today: ticker and sector of the latest spell, by the latest knowledge.
CREATE VIEW companies AS
WITH tickers AS (
    SELECT DISTINCT ON (company_id) company_id, ticker, valid_from, valid_to
    FROM (SELECT DISTINCT ON (company_id, ticker, valid_from, source) *
          FROM symbols ORDER BY company_id, ticker, valid_from, source, known_at DESC) newest
    ORDER BY company_id, (valid_to IS NULL) DESC, valid_from DESC, source
), sectors AS (
    SELECT DISTINCT ON (company_id) company_id, scheme, code
    FROM (SELECT DISTINCT ON (company_id, scheme, valid_from, source) *
          FROM classifications ORDER BY company_id, scheme, valid_from, source, known_at DESC) newest
    ORDER BY company_id, (scheme = 'GICS') DESC, valid_from DESC, scheme, source
)
SELECT e.entity_id AS company_id, t.ticker, e.name, e.cik, s.scheme, s.code AS sector, t.valid_from AS ticker_since,
       t.valid_to AS ticker_until
FROM entities e
LEFT JOIN tickers t ON t.company_id = e.entity_id
LEFT JOIN sectors s ON s.company_id = e.entity_id
WHERE e.kind = 'company';
