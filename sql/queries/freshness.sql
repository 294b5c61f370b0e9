-- How fresh is each table, by source?
SELECT table_name, source, max(opened_at) AS last_load, count(*) AS loads, sum(rows_inserted) AS rows,
       sum(rows_read) AS read
FROM loads
GROUP BY table_name, source
ORDER BY last_load DESC, table_name, source;
