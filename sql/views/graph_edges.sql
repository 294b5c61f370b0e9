-- A row per edge, for looking: the arrays of every version of every snapshot, taken apart.
CREATE VIEW graph_edges AS
SELECT a.snapshot_date, a.graph_version, a.src_type, a.relation, a.dst_type, e.src_id, e.dst_id, e.weight
FROM graph_edge_arrays a
CROSS JOIN LATERAL unnest(repeated(a.src_ids, a.src_counts), a.dst_ids, a.weights) AS e (src_id, dst_id, weight);
