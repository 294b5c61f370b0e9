"""Which single edges carry what a model says of a company: leaving one out, exactly, of those that promise most.

What is said of a company is told again as if an edge had never been known (occlusion: Zeiler & Fergus 2014; of graphs,
and fidelity: Yuan, Yu, Gui & Ji 2023, IEEE TPAMI). That is one run of the network an edge, so only some are tried:
those by which it should move most to first order, where an edge's own part in the sum of each layer is taken out
exactly, softmax and all, and what lies behind by its gradient (as in attribution patching: Syed, Rager & Conmy 2023).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from nexus.graph.gnn.edge_list import EdgeList
from nexus.maths.types import Floats, Ints

SPARE = 2
"""So many times the wanted edges are tried."""
BLOCK = 32
Walk = Callable[[Iterable[Any]], Iterable[Any]]


class Occlusion(ABC):
    """What a model says of the companies of one snapshot, and what it would say without some edges.

    edges : of the snapshot; companies : (n,) ids; layers : how many edges away what is said can come from
    """

    edges: EdgeList
    companies: Ints
    layers: int

    @property
    @abstractmethod
    def said(self) -> Floats:
        """Of each company, (n, width)."""

    @property
    @abstractmethod
    def strength(self) -> Floats:
        """How much there is to explain of each company, (n,); NaN where there is nothing."""

    @abstractmethod
    def without(self, drops: Sequence[Ints]) -> Iterator[Floats]:
        """The same as if none of the edges of a drop had ever been known, (n, width) for each drop."""

    @abstractmethod
    def promise(self, rows: Ints) -> Iterator[Floats]:
        """For each of those companies, by how much each edge moves what is said of it to first order, (n_edges,)."""

    @abstractmethod
    def moved(self, less: Floats) -> Floats:
        """By how much what is said without something differs from what is said, (n,): the attribution of it."""


@dataclass(frozen=True)
class Reasons:
    """The edges that carry what is said of a company, the strongest first; attributions as of `Occlusion.moved`."""

    company: int
    edges: Ints
    attribution: Floats


def edge_reasons(
    told: Occlusion, companies: Sequence[int], top: int, spare: float = SPARE, walk: Walk = iter
) -> list[Reasons]:
    """At most `top` edges of each company by what leaving them out one at a time does, exactly.

    companies : ids, each of `told.companies`
    spare : so many times `top` edges are tried, those of the greatest promise; all where it is infinite
    walk : shows progress

    An edge that moves nothing is no reason.
    """
    rows = np.searchsorted(told.companies, np.asarray(companies, np.int64))
    tried = [
        _best(promise, told.edges.around(company, told.layers), top * spare)
        for company, promise in zip(walk(companies), told.promise(rows), strict=True)
    ]
    union: Ints = np.unique(np.concatenate([np.empty(0, np.int64), *tried]))
    moved = np.zeros((len(union), len(rows)))
    for place, less in enumerate(walked(told, [union[[i]] for i in range(len(union))], walk)):
        moved[place] = told.moved(less)[rows]
    return [
        _leading(company, edges, moved[np.searchsorted(union, edges), place], top)
        for place, (company, edges) in enumerate(zip(companies, tried, strict=True))
    ]


def walked(told: Occlusion, drops: Sequence[Ints], walk: Walk) -> Iterator[Floats]:
    """`told.without(drops)`, in blocks that the walk sees."""
    left = told.without(drops)
    for _ in walk([f"runs from {start}" for start in range(0, len(drops), BLOCK)]):
        yield from islice(left, BLOCK)


def strongest(told: Occlusion, companies: int) -> list[int]:
    """Ids of so many companies of which there is most to explain, ascending."""
    there = np.flatnonzero(np.isfinite(told.strength))
    order = np.argsort(-told.strength[there], kind="stable")[:companies]
    found: list[int] = told.companies[np.sort(there[order])].tolist()
    return found


def edge_rows(told: Occlusion, companies: int, top: int) -> pd.DataFrame:
    """Rows of an explanation: "edge:RELATION:SOURCE>TARGET", at most `top` of each of the strongest companies."""
    rows = [
        (each.company, f"edge:{told.edges.name(edge)}", value)
        for each in (edge_reasons(told, strongest(told, companies), top) if companies and top else [])
        for edge, value in zip(each.edges.tolist(), each.attribution.tolist(), strict=True)
    ]
    found = pd.DataFrame(rows, columns=["company_id", "feature", "attribution"])
    return found.astype({"company_id": "int64", "feature": "str", "attribution": "float64"})


def _best(promise: Floats, among: Ints, n: float) -> Ints:
    order = np.argsort(-promise[among], kind="stable")
    return np.sort(among[order[: int(min(n, len(among)))]])


def _leading(company: int, edges: Ints, moved: Floats, top: int) -> Reasons:
    order = np.argsort(-np.abs(moved), kind="stable")[:top]
    order = order[moved[order] != 0]
    return Reasons(int(company), edges[order], moved[order])
