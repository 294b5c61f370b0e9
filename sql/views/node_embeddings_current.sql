-- Out of sample: of each model version and day the rows of one chunk, that of the newest weights trained before it.
CREATE VIEW node_embeddings_current AS
WITH newest AS (
    SELECT DISTINCT ON (model_version, snapshot_date) model_version, snapshot_date, trained_to, chunk
    FROM node_embeddings WHERE trained_to < snapshot_date
    ORDER BY model_version, snapshot_date, trained_to DESC, chunk DESC
)
SELECT e.* FROM node_embeddings e JOIN newest USING (model_version, snapshot_date, trained_to, chunk);
