-- Which rows could not be taken, and why?
SELECT table_name, source, reason, count(*) AS rows, count(resolved_load_id) AS resolved, max(rejected_at) AS latest,
       (array_agg(detail ORDER BY rejected_id DESC))[1] AS example
FROM rejected_rows
GROUP BY table_name, source, reason
ORDER BY rows DESC, table_name, reason;
