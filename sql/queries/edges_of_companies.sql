-- Which companies have the most edges in the newest snapshot of each graph, and of which kind?
WITH newest AS (
    SELECT DISTINCT ON (graph) graph, snapshot_date, graph_version FROM graph_snapshots_current
    ORDER BY graph, snapshot_date DESC
), ends AS (
    SELECT n.graph, n.snapshot_date, e.relation, e.src_id AS company_id, 1 AS goes_out, 0 AS comes_in
    FROM newest n JOIN graph_edges e USING (snapshot_date, graph_version) WHERE e.src_type = 'company'
    UNION ALL
    SELECT n.graph, n.snapshot_date, e.relation, e.dst_id, 0, 1
    FROM newest n JOIN graph_edges e USING (snapshot_date, graph_version) WHERE e.dst_type = 'company'
)
SELECT ends.graph, ends.snapshot_date, ends.relation, ends.company_id, c.ticker, c.name, sum(goes_out) AS goes_out,
       sum(comes_in) AS comes_in
FROM ends LEFT JOIN companies c USING (company_id)
GROUP BY ends.graph, ends.snapshot_date, ends.relation, ends.company_id, c.ticker, c.name
ORDER BY ends.graph, sum(goes_out) + sum(comes_in) DESC, ends.relation, ends.company_id;
