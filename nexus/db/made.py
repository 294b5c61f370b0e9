"""What was made of the facts, as a panel reads it: graphs, and what modules made of those.

Read from the database each time: outputs are rewritten in place, so that no load tells a copy of them from a stale one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nexus.db.fingerprint import digest
from nexus.db.graph_reader import Snapshots, read_snapshots
from nexus.db.inputs import MADE, Inputs
from nexus.db.output_reader import ModelRows, read_centrality, read_embeddings, read_predictions
from nexus.db.request import Ints, Request
from nexus.db.snapshot import ArrowReader, distinct


@dataclass(frozen=True)
class Made:
    """Snapshots by graph, rows by (table, what was named of it)."""

    graphs: dict[str, Snapshots] = field(default_factory=dict)
    rows: dict[tuple[str, str], ModelRows] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str | None:
        """Hash of all that was read; None where nothing was declared."""
        if not self.graphs and not self.rows:
            return None
        graphs = [self.graphs[name].fingerprint for name in sorted(self.graphs)]
        return digest(graphs, [(key, self.rows[key].fingerprint) for key in sorted(self.rows)])

    @property
    def tiers(self) -> dict[str, str | None]:
        """By declared input, the worst of what it was made of; None where there is no row."""
        graphs = {f"graph_snapshots.{name}": graph.tier for name, graph in self.graphs.items()}
        return graphs | {f"{table}.{name}": rows.tier for (table, name), rows in self.rows.items()}

    @property
    def companies(self) -> Ints:
        """Ids of all companies in it, ascending."""
        rows = (np.asarray(one.arrays["company_id"], dtype=np.int64) for one in self.rows.values())
        return distinct(*(graph.companies for graph in self.graphs.values()), *rows)

    def on(self, companies: Ints) -> Made:
        """The rows about these companies; graphs stay whole."""
        return Made(self.graphs, {key: rows.on(companies) for key, rows in self.rows.items()})


def declares_made(inputs: Inputs) -> bool:
    """Whether any of it is declared."""
    return any(inputs.of(table) for table in MADE)


def read_made(reader: ArrowReader, request: Request, inputs: Inputs) -> Made:
    """Read what is declared of it, of loads up to the request's, in the reader's snapshot of the database."""
    end = request.market.days[-1].item()
    bounds = {"load_id": request.load_id, "until": request.until, "end": end}
    graphs = {name: read_snapshots(reader, name, **bounds) for name in inputs.of("graph_snapshots")}
    rows: dict[tuple[str, str], ModelRows] = {}
    for version in inputs.of("node_embeddings"):
        rows["node_embeddings", version] = read_embeddings(reader, request, version)
    for version in inputs.of("graph_predictions"):
        rows["graph_predictions", version] = read_predictions(reader, request, version)
    columns = inputs.of("centrality_history")
    for column, read in (read_centrality(reader, request, columns) if columns else {}).items():
        rows["centrality_history", column] = read
    return Made(graphs, rows)
