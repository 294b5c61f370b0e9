-- The bars of a company as they were known at an instant: one row a session, from the preferred source that had it.
CREATE FUNCTION prices_as_of(company integer, instant timestamptz)
RETURNS TABLE (session date, source text, known_at timestamptz, open double precision, high double precision,
               low double precision, close double precision, volume double precision)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH one AS (  -- a company's prices come from one source, never spliced
        SELECT p.source FROM prices p JOIN sources f USING (source)
        WHERE p.company_id = company AND p.known_at <= instant
        ORDER BY f.preference, p.source LIMIT 1
    )
    SELECT DISTINCT ON (p.session) p.session, p.source, p.known_at, p.open, p.high, p.low, p.close, p.volume
    FROM prices p JOIN one USING (source)
    WHERE p.company_id = company AND p.known_at <= instant
    ORDER BY p.session, p.known_at DESC
$$;

-- The newest value of a fundamental that a reader at an instant knew, of the newest period then known.
CREATE FUNCTION fundamental_as_of(company integer, wanted text, instant timestamptz) RETURNS double precision
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT f.value
    FROM fundamentals f JOIN sources s USING (source)
    WHERE f.company_id = company AND f.field = wanted AND f.known_at <= instant
    ORDER BY f.period_end DESC, s.preference, f.source, f.period_start DESC, f.known_at DESC
    LIMIT 1
$$;
