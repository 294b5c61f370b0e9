"""Every module there is: its name, and where its instance lives. Strings only: listing them imports nothing."""

MODULES = {
    "centrality": "nexus.graph.centrality:CENTRALITY",
    "gat_baseline": "nexus.graph.gnn.baseline:GAT_BASELINE",
    "hgt": "nexus.graph.gnn.trainer:HGT",
    "role_aware": "nexus.graph.gnn.role_aware:ROLE_AWARE",
}
