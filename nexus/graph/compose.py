"""A snapshot from its parts: who is a node of which type on the day, and the edges among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nexus.db.graph import NODE_TYPES, UNDIRECTED, Edges, EdgeType, Graph
from nexus.db.panel import Panel
from nexus.db.relations import Relations
from nexus.graph.edges import Known, Ties
from nexus.graph.recipes import Recipe
from nexus.maths.types import Ints

COMPANY, EXTENDED = NODE_TYPES.index("company"), NODE_TYPES.index("extended")


def known_at(day: np.datetime64, instant: int, panel: Panel, relations: Relations, universe: str | None) -> Known:
    """What may be looked at on `day`, whose session closed at `instant` (microseconds since 1970 UTC)."""
    view = panel.at(day)
    inside = np.isfinite(view.prices("close", 1)[-1]) if universe is None else view.members(universe)
    columns = np.flatnonzero(inside).astype(np.int64)
    holding = relations.at(instant, day)
    kinds = np.stack([relations.kind(holding.src), relations.kind(holding.dst)])
    backdated = frozenset(name for name in panel.inputs.names if panel.tier_of([name]) == "C")
    return Known(view, view.companies[columns], columns, holding, relations.names, kinds, backdated)


def compose(recipe: Recipe, panel: Panel, relations: Relations, day: np.datetime64, instant: int) -> Graph:
    """The snapshot of `day`; without nodes where nobody belongs to the universe.

    Nodes are the members, with or without an edge, and everything at the end of an edge: a company outside the universe
    is extended. `version` is empty.
    """
    known = known_at(day, instant, panel, relations, recipe.universe)
    ties = [part for kind in recipe.kinds for part in kind.ties(known) if len(part.src)]
    edges = typed(ties, relations, known.members)
    nodes = _nodes(edges, relations, known.members)
    return Graph(known.view.day, recipe.name, "", nodes, edges, _tier(recipe, panel, relations, ties))


def typed(ties: Iterable[Ties], relations: Relations, members: Ints) -> dict[EdgeType, Edges]:
    """Edges by type, sorted and unique; an undirected one from the type that sorts first, then the lower id."""
    parts: defaultdict[EdgeType, list[tuple[Ints, Ints, NDArray[np.float32]]]] = defaultdict(list)
    for tie in ties:
        src, dst = tie.src, tie.dst
        weight = np.where(np.isfinite(tie.weight), tie.weight, 1.0).astype(np.float32)
        types = [_types(ids, relations, members) for ids in (src, dst)]
        if tie.relation in UNDIRECTED:
            back = (types[0] > types[1]) | ((types[0] == types[1]) & (src > dst))
            src, dst = np.where(back, dst, src), np.where(back, src, dst)
            types = [np.minimum(*types), np.maximum(*types)]
        pair = types[0].astype(np.int64) * len(NODE_TYPES) + types[1]
        for number in np.unique(pair):
            one = (NODE_TYPES[number // len(NODE_TYPES)], tie.relation, NODE_TYPES[number % len(NODE_TYPES)])
            chosen = (pair == number) & (src != dst)
            parts[one].append((src[chosen], dst[chosen], weight[chosen]))
    made = {
        one: _sorted(*(np.concatenate(column) for column in zip(*rows, strict=True))) for one, rows in parts.items()
    }
    return {one: edges for one, edges in sorted(made.items()) if len(edges)}


def _types(ids: Ints, relations: Relations, members: Ints) -> NDArray[np.int8]:
    kinds = relations.kind(ids)
    kinds[(kinds == COMPANY) & ~np.isin(ids, members)] = EXTENDED
    return kinds


def _sorted(src: Ints, dst: Ints, weight: NDArray[np.float32]) -> Edges:
    """Sorted by (src, dst); of a pair that comes twice the first."""
    order = np.lexsort((dst, src))
    src, dst, weight = src[order], dst[order], weight[order]
    first = np.ones(len(src), dtype=bool)
    first[1:] = (src[1:] != src[:-1]) | (dst[1:] != dst[:-1])
    return Edges(src[first], dst[first], weight[first])


def _nodes(edges: dict[EdgeType, Edges], relations: Relations, members: Ints) -> dict[str, Ints]:
    found: defaultdict[str, list[Ints]] = defaultdict(list)
    kinds = relations.kind(members)
    for place, node_type in enumerate(NODE_TYPES):
        found[node_type].append(members[kinds == place])
    for (src_type, _, dst_type), one in edges.items():
        found[src_type].append(one.src)
        found[dst_type].append(one.dst)
    nodes = {node_type: np.unique(np.concatenate(parts)) for node_type, parts in sorted(found.items())}
    return {node_type: ids for node_type, ids in nodes.items() if len(ids)}


def _tier(recipe: Recipe, panel: Panel, relations: Relations, ties: Sequence[Ties]) -> str:
    """The worst of the sources of the nodes and of what the edges rest on."""
    ranks = {int(rank) for tie in ties for rank in np.unique(tie.sources)}
    bases = {relations.sources[rank].known_at_basis for rank in ranks}
    stated = "C" if "backdated" in bases else "B" if "assumed" in bases else "A"
    return max(stated, panel.tier_of(sorted({recipe.members, *(name for tie in ties for name in tie.inputs)})))
