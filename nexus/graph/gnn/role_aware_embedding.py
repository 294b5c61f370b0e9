"""The frozen embeddings of a trained role-aware transformer, as rows of `node_embeddings` that others may read.

    python -m nexus.graph.gnn.role_aware_embedding predict-all

It is the same module with another output: name, version and checkpoints are ROLE_AWARE's, so nothing is trained twice,
and a row says of which chunk's weights it is. Training through it is training ROLE_AWARE.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.contract.cli import main

    main("role_aware", "nexus.graph.gnn.role_aware_embedding:ROLE_AWARE_EMBEDDING")

from nexus.graph.gnn.role_aware import RoleAware

ROLE_AWARE_EMBEDDING = RoleAware("node_embeddings")
