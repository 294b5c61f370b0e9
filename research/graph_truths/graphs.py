"""Snapshots of a simulated market, straight from its ties: what the database would give, in a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nexus.db.graph import Edges, EdgeType, Graph
from nexus.ingest.simulate.economy import Economy
from nexus.ingest.simulate.places import HOLDS, Ties, ties
from nexus.maths.types import Bools, Ints

SUPPLIES: EdgeType = ("company", "supplies", "company")
HELD: EdgeType = ("fund", "holds", "company")
GRAPH = "simulated"


def graphs(world: Economy, months: Sequence[int]) -> list[Graph]:
    """Supply and ownership as known at the close of month-ends, by their number; ids are places in the simulation."""
    held = ties(world.seed, world.time, world.lives, HOLDS)
    return [_snapshot(world, held, month) for month in months]


def _snapshot(world: Economy, held: Ties, month: int) -> Graph:
    session = int(world.time.months[month])
    listed = world.lives.listed(np.array([session]))[0]
    funds = np.arange(HOLDS.owners or 0)
    instant = world.time.closes[session]
    edges = {
        SUPPLIES: _edges(world.supply, instant, listed, listed),
        HELD: _edges(held, instant, np.ones(len(funds), bool), listed),
    }
    day = world.time.dates[session]
    return Graph(day, GRAPH, f"{GRAPH}@{day}", {"company": np.flatnonzero(listed), "fund": funds},
                 {kind: each for kind, each in edges.items() if len(each)})  # fmt: skip


def _edges(found: Ties, instant: np.datetime64, sources: Bools, targets: Bools) -> Edges:
    at = found.open(instant)
    at = at[sources[found.owner[at]] & targets[found.partner[at]]]
    pair, first = np.unique(np.stack([found.owner[at], found.partner[at]]), axis=1, return_index=True)
    weight: Ints = found.weight[at[first]]
    return Edges(pair[0], pair[1], weight.astype(np.float32))
