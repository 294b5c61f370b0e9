"""The module that tells how central each company is in the month-end graph, and by which relations.

    python -m nexus.graph.centrality VERB

All nodes and all relations count, as one simple undirected graph: two companies with the same fund are two steps apart.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes seconds to import, so that help is quick
    from nexus.contract.cli import main

    main("centrality", "nexus.graph.centrality:CENTRALITY")

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nexus.contract.module import Module
from nexus.db.graph import UNDIRECTED, Graph, Ints

if TYPE_CHECKING:
    import pandas as pd

    from nexus.db.panel import Observations
    from nexus.maths.centrality import Centralities
    from nexus.maths.types import Floats

GRAPH = "monthly"
MEASURES = ("degree", "pagerank", "eigenvector", "betweenness", "clustering", "k_core", "katz")
COLUMNS = ("company_id", "as_of", "graph_version", "degrees", *MEASURES)
EXPLAINED = ("company_id", "feature", "attribution")


class Centrality(Module[None]):
    """`nexus.maths.centrality` of each month-end snapshot."""

    name = "centrality"
    version = "centrality-1"
    inputs = (f"graph_snapshots.{GRAPH}",)
    output = "centrality_history"

    def predict(self, state: None, data: Observations, day: date) -> pd.DataFrame:
        """Rows of the companies of the day's snapshot; none on a day that has no snapshot of its own."""
        import pandas as pd

        graph = _of_day(data, day)
        if graph is None:
            return pd.DataFrame(columns=list(COLUMNS))
        joined = Joined.of(graph)
        found = joined.centralities()
        companies = joined.companies
        rows = pd.DataFrame({"company_id": graph.nodes["company"], "as_of": day, "graph_version": graph.version})
        rows["degrees"] = [json.dumps(counts, sort_keys=True) for counts in _degrees(graph)]
        for measure in MEASURES:
            rows[measure] = getattr(found, measure)[companies]
        return rows

    def explain(self, state: None, data: Observations, day: date) -> pd.DataFrame:
        """What degree and PageRank lose without each relation: feature "degree:supplies" and so on, zeros left out.

        Relations overlap, so that these need not add up to the whole: a neighbour by two of them is lost with neither.
        """
        import pandas as pd

        graph = _of_day(data, day)
        if graph is None:
            return pd.DataFrame(columns=list(EXPLAINED))
        joined = Joined.of(graph)
        whole = joined.shares()
        parts = [pd.DataFrame(columns=list(EXPLAINED))]
        for relation in sorted(set(joined.relations)):
            without = joined.shares(joined.relations != relation)
            for measure, values in whole.items():
                lost = (values - without[measure])[joined.companies]
                told = np.abs(lost) > 1e-15
                parts.append(
                    pd.DataFrame(
                        {
                            "company_id": graph.nodes["company"][told],
                            "feature": f"{measure}:{relation}",
                            "attribution": lost[told],
                        }
                    )
                )
        return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


@dataclass(frozen=True)
class Joined:
    """All nodes of a snapshot, numbered through, and all its edges.

    companies : the numbers of the companies, in the order of their ids; src, dst, relations : (n_edges,)
    """

    n: int
    companies: slice
    src: Ints
    dst: Ints
    relations: NDArray[np.str_]

    @classmethod
    def of(cls, graph: Graph) -> Joined:
        """Of one snapshot."""
        sizes = {node_type: len(graph.nodes[node_type]) for node_type in sorted(graph.nodes)}
        starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
        src, dst, relations = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, "U1")]
        for (source, relation, target), edges in graph.edges.items():
            src.append(starts[source] + graph.places(source, edges.src))
            dst.append(starts[target] + graph.places(target, edges.dst))
            relations.append(np.full(len(edges), relation))
        first = starts.get("company", 0)
        companies = slice(int(first), int(first) + sizes.get("company", 0))
        return cls(sum(sizes.values()), companies, *(np.concatenate(part) for part in (src, dst, relations)))

    def centralities(self) -> Centralities:
        """Of all nodes."""
        from nexus.maths.centrality import centralities

        return centralities(self.n, self.src, self.dst)

    def shares(self, kept: NDArray[np.bool_] | None = None) -> dict[str, Floats]:
        """Degree and PageRank of all nodes, by the edges that are kept."""
        from nexus.maths.centrality import pagerank, simple

        edges = slice(None) if kept is None else kept
        adjacency = simple(self.n, self.src[edges], self.dst[edges])
        return {"degree": np.diff(adjacency.indptr).astype(np.float64), "pagerank": pagerank(adjacency)}


def _of_day(data: Observations, day: date) -> Graph | None:
    newest = data.at(day).graphs(GRAPH, 1)
    found = bool(newest) and newest[-1].day == np.datetime64(day, "D") and len(newest[-1].nodes.get("company", ()))
    return newest[-1] if found else None


def _degrees(graph: Graph) -> list[dict[str, int]]:
    """Of each company, its edges by relation and direction, as {"supplies:out": 2, "competes": 1}; zeros left out."""
    counts: list[dict[str, int]] = [{} for _ in graph.nodes["company"]]
    for relation, places in _ends(graph):
        for place, edges in zip(*np.unique(places, return_counts=True), strict=True):
            counts[place][relation] = counts[place].get(relation, 0) + int(edges)
    return counts


def _ends(graph: Graph) -> Iterator[tuple[str, Ints]]:
    """Places of the companies at each end of each kind of edge, under the name of the relation and the direction."""
    for (source, relation, target), edges in graph.edges.items():
        if source == "company":
            way = "" if relation in UNDIRECTED else ":out"
            yield relation + way, graph.places("company", edges.src)
        if target == "company":
            way = "" if relation in UNDIRECTED else ":in"
            yield relation + way, graph.places("company", edges.dst)


CENTRALITY = Centrality()
