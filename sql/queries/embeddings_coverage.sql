-- Which days and companies does each chunk of each model embed, and how many of its days are out of sample?
SELECT model_version, chunk, trained_to, min(snapshot_date) AS first_day, max(snapshot_date) AS last_day,
       count(DISTINCT snapshot_date) AS days,
       count(DISTINCT snapshot_date) FILTER (WHERE snapshot_date > trained_to) AS days_out_of_sample,
       count(DISTINCT company_id) AS companies, max(embedding_dim) AS dimensions
FROM node_embeddings
GROUP BY model_version, chunk, trained_to
ORDER BY model_version, chunk, trained_to;
