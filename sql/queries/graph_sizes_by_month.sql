-- How large is each graph, month by month, and of what edges is it made?
-- Node types are named where not both are companies.
SELECT s.graph, s.snapshot_date, s.graph_version, s.tier, s.n_nodes, s.n_edges, e.edges
FROM (SELECT DISTINCT ON (graph, date_trunc('month', snapshot_date)) * FROM graph_snapshots_current
      ORDER BY graph, date_trunc('month', snapshot_date), snapshot_date DESC) s
LEFT JOIN LATERAL (
    SELECT string_agg(
               CASE WHEN (a.src_type, a.dst_type) = ('company', 'company') THEN a.relation
                    ELSE a.src_type || ' ' || a.relation || ' ' || a.dst_type END || ' ' || cardinality(a.dst_ids),
               ', ' ORDER BY a.relation, a.src_type, a.dst_type) AS edges
    FROM graph_edge_arrays a
    WHERE (a.snapshot_date, a.graph_version) = (s.snapshot_date, s.graph_version)) e ON true
ORDER BY s.graph, s.snapshot_date;
