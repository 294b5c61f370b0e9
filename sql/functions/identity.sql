-- The ticker of a company on a day, by the latest knowledge of the preferred source; NULL where nobody knows.
CREATE FUNCTION symbol_on(company integer, day date) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT newest.ticker
    FROM (SELECT DISTINCT ON (s.ticker, s.valid_from, s.source) s.*, f.preference
          FROM symbols s JOIN sources f USING (source)
          WHERE s.company_id = company
          ORDER BY s.ticker, s.valid_from, s.source, s.known_at DESC) newest
    WHERE newest.valid_from <= day AND (newest.valid_to IS NULL OR day < newest.valid_to)
    ORDER BY newest.preference, newest.source, newest.valid_from DESC
    LIMIT 1
$$;

-- The company that carried a ticker on a day, by the latest knowledge; NULL where nobody knows.
CREATE FUNCTION company_of(symbol text, day date) RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT newest.company_id
    FROM (SELECT DISTINCT ON (s.company_id, s.valid_from, s.source) s.*, f.preference
          FROM symbols s JOIN sources f USING (source)
          WHERE s.ticker = symbol
          ORDER BY s.company_id, s.valid_from, s.source, s.known_at DESC) newest
    WHERE newest.valid_from <= day AND (newest.valid_to IS NULL OR day < newest.valid_to)
    ORDER BY newest.preference, newest.source, newest.valid_from DESC
    LIMIT 1
$$;
