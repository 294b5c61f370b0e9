-- Each id as often as its count says, in order: the sources of edges from the arrays that name each once.
CREATE FUNCTION repeated(ids integer[], counts integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT ARRAY(SELECT id FROM unnest(ids, counts) WITH ORDINALITY AS one (id, n, place), generate_series(1, n)
                 ORDER BY place)
$$;
