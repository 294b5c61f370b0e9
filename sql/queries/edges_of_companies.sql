-- Which companies have the most edges in the newest snapshot of each graph, and of which kind?
-- goes_out and comes_in are empty where the relation holds both ways: an edge is stored once then, and has no direction.
WITH newest AS (
    SELECT DISTINCT ON (graph) graph, snapshot_date, graph_version FROM graph_snapshots_current
    ORDER BY graph, snapshot_date DESC
), ends AS (
    SELECT n.graph, n.snapshot_date, e.relation, e.src_id AS company_id, 1 AS goes_out
    FROM newest n JOIN graph_edges e USING (snapshot_date, graph_version) WHERE e.src_type = 'company'
    UNION ALL
    SELECT n.graph, n.snapshot_date, e.relation, e.dst_id, 0
    FROM newest n JOIN graph_edges e USING (snapshot_date, graph_version) WHERE e.dst_type = 'company'
), counted AS (
    SELECT graph, snapshot_date, relation, company_id, count(*) AS edges, sum(goes_out) AS goes_out,
           relation NOT IN ('board', 'competes', 'correlation', 'fund_similarity', 'sector') AS directed
    FROM ends GROUP BY graph, snapshot_date, relation, company_id
)
SELECT n.graph, n.snapshot_date, n.relation, n.company_id, c.ticker, c.name, n.edges,
       CASE WHEN directed THEN goes_out END AS goes_out, CASE WHEN directed THEN edges - goes_out END AS comes_in
FROM counted n LEFT JOIN companies c USING (company_id)
ORDER BY n.graph, n.edges DESC, n.relation, n.company_id;
