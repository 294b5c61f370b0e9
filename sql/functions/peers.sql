-- The companies nearest to one by the cosine of their embeddings, as known at the end of a day (UTC).
-- All vectors are of one chunk, that of the newest weights trained before the day, on the newest date it has.
-- model: default the model version whose run began last. No row where the company has no embedding there.
CREATE FUNCTION peers(company integer, on_date date, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (company_id integer, ticker text, similarity double precision, snapshot_date date, chunk integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH newest AS (
        SELECT e.model_version, e.chunk, e.trained_to, e.snapshot_date
        FROM node_embeddings e LEFT JOIN model_runs r ON model IS NULL AND r.run_id = e.run_id
        WHERE (model IS NULL OR e.model_version = model) AND e.trained_to < on_date AND e.snapshot_date <= on_date
          AND e.known_at < (on_date + 1)::timestamp AT TIME ZONE 'UTC'
        ORDER BY r.started_at DESC, e.model_version, e.trained_to DESC, e.chunk DESC, e.snapshot_date DESC
        LIMIT 1
    ), vectors AS (
        SELECT e.company_id, e.embedding, e.snapshot_date, e.chunk
        FROM node_embeddings e JOIN newest USING (model_version, chunk, trained_to, snapshot_date)
        WHERE e.known_at < (on_date + 1)::timestamp AT TIME ZONE 'UTC'
    )
    SELECT near.company_id, symbol_on(near.company_id, on_date), near.similarity, near.snapshot_date, near.chunk
    FROM (
        SELECT other.company_id, other.snapshot_date, other.chunk, cosine.similarity
        FROM vectors one JOIN vectors other ON other.company_id <> one.company_id
        CROSS JOIN LATERAL (
            SELECT sum(x::float8 * y) / nullif(sqrt(sum(x::float8 * x)) * sqrt(sum(y::float8 * y)), 0) AS similarity
            FROM unnest(one.embedding, other.embedding) AS u (x, y)
        ) cosine
        WHERE one.company_id = company AND cosine.similarity IS NOT NULL
        ORDER BY cosine.similarity DESC, other.company_id
        LIMIT k
    ) near
    ORDER BY near.similarity DESC, near.company_id
$$;
