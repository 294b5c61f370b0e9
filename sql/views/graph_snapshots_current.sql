-- The snapshot that readers take of each graph and day: of the newest builder, and of it the latest load.
CREATE VIEW graph_snapshots_current AS
SELECT DISTINCT ON (s.graph, s.snapshot_date) s.*
FROM (SELECT *, max(created_at) OVER (PARTITION BY graph, snapshot_date, builder) AS built FROM graph_snapshots) s
ORDER BY s.graph, s.snapshot_date, s.built DESC, s.builder, s.load_id DESC;
