"""A graph of months, simulated: companies, funds, directors and firms outside, whose edges come and go."""

from __future__ import annotations

import numpy as np

from nexus.db.graph import Edges, EdgeType, Graph, Ints

MONTHS = 58
NODES = {"company": 140, "fund": 22, "director": 14, "extended": 4}
EDGES: dict[EdgeType, int] = {
    ("company", "supplies", "company"): 738,
    ("fund", "holds", "company"): 2141,
    ("director", "director_of", "company"): 14,
}
PARAMETERS = 155_184
"""Of an HGT of METHOD.md's size on these types: supply and ownership both ways, directors one way."""
_MOVED = 0.04


def months(count: int = MONTHS, seed: int = 0) -> list[Graph]:
    """One snapshot a month, each with the same number of edges as the last and 4 % of them new."""
    random = np.random.default_rng(seed)
    nodes, first = {}, 1
    for node_type, size in NODES.items():
        nodes[node_type] = np.arange(first, first + size)
        first += size
    cells = {kind: random.permutation(_possible(kind))[:size] for kind, size in EDGES.items()}
    made = []
    for day in _ends(count):
        made.append(
            Graph(day, "simulated", "", nodes, {kind: _edges(nodes, kind, each) for kind, each in cells.items()})
        )
        cells = {kind: _moved(random, kind, each) for kind, each in cells.items()}
    return made


def _ends(count: int) -> np.ndarray:
    starts = np.datetime64("2020-01", "M") + np.arange(1, count + 1)
    return np.busday_offset(starts.astype("datetime64[D]"), -1, roll="forward")


def _possible(kind: EdgeType) -> Ints:
    """Cells of the matrix of source and target that may hold an edge: none ties a node to itself."""
    n_src, n_dst = NODES[kind[0]], NODES[kind[2]]
    cells = np.arange(n_src * n_dst)
    return cells[cells // n_dst != cells % n_dst] if kind[0] == kind[2] else cells


def _moved(random: np.random.Generator, kind: EdgeType, cells: Ints) -> Ints:
    """The same number of edges, some of them elsewhere."""
    gone = max(1, round(_MOVED * len(cells)))
    fresh = random.choice(np.setdiff1d(_possible(kind), cells), gone, replace=False)
    return np.concatenate([random.permutation(cells)[gone:], fresh])


def _edges(nodes: dict[str, Ints], kind: EdgeType, cells: Ints) -> Edges:
    src, dst = np.divmod(np.sort(cells), NODES[kind[2]])
    weight = (1 + cells % 7).astype(np.float32) / 7
    return Edges(nodes[kind[0]][src], nodes[kind[2]][dst], weight[np.argsort(cells)])
