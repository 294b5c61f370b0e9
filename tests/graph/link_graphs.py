"""Small random graphs, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nexus.db.graph import Edges, EdgeType, Graph

SUPPLY = ("company", "supplies", "company")
BOARD = ("company", "board", "company")
HOLDS = ("fund", "holds", "company")
RIVALS = ("company", "competes", "extended")


def edges(pairs: set[tuple[int, int]], weight: dict[tuple[int, int], float] | None = None) -> Edges:
    rows = sorted(pairs)
    src = np.array([src for src, _ in rows], np.int64)
    dst = np.array([dst for _, dst in rows], np.int64)
    return Edges(src, dst, np.array([(weight or {}).get(pair, 1.0) for pair in rows], np.float32))


def graph(
    month: int, nodes: dict[str, list[int]], pairs: dict[EdgeType, set[tuple[int, int]]], **more: object
) -> Graph:
    day = np.datetime64("2020-01", "M") + month
    return Graph(
        day=np.datetime64(day, "D") + 27, graph="monthly", version=f"monthly.test@{month}",
        nodes={name: np.array(sorted(ids), np.int64) for name, ids in nodes.items()},
        edges={edge_type: edges(found, more.get("weight")) for edge_type, found in pairs.items() if found},
    )  # fmt: skip


def random_graphs(seed: int, months: int, companies: int = 24, funds: int = 6, churn: float = 0.1) -> list[Graph]:
    """Supply (directed), board (undirected) and holdings; edges go and come, and so do companies."""
    random = np.random.default_rng(seed)
    every = list(range(100, 100 + 2 * companies, 2))
    holders = list(range(1, 1 + funds))
    density = {SUPPLY: 0.12, BOARD: 0.08, HOLDS: 0.3}
    state: dict[EdgeType, set[tuple[int, int]]] = {}
    out = []
    for month in range(months):
        present = [company for company in every if random.random() > 0.05]
        for edge_type, share in density.items():
            sources = holders if edge_type == HOLDS else every
            allowed = [
                (a, b) for a in sources for b in every if a != b and (edge_type != BOARD or a < b)
            ]  # fmt: skip
            held = state.get(edge_type, set())
            drawn = {pair for pair in allowed if random.random() < (share if not month else share * churn)}
            state[edge_type] = {pair for pair in held if random.random() > churn} | drawn
        there = set(present) | set(holders)
        out.append(
            graph(month, {"company": present, "fund": holders},
                  {t: {p for p in found if set(p) <= there} for t, found in state.items()})
        )  # fmt: skip
    return out


def with_rivals(graphs: Sequence[Graph], outside: int = 9) -> list[Graph]:
    """The same with firms outside, of which some compete with companies: undirected, between two types of node."""
    random, out = np.random.default_rng(len(graphs)), []
    firms = np.arange(1000, 1000 + outside)
    for one in graphs:
        pairs = {(int(a), int(b)) for a in one.nodes["company"] for b in firms if random.random() < 0.15}
        nodes, found = {**one.nodes, "extended": firms}, {**one.edges, RIVALS: edges(pairs)}
        out.append(replace(one, nodes=nodes, edges=found))
    return out
