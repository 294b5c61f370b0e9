"""Edges of each kind, from what was known at the close of a day: one small function a kind.

A function takes `Known` and parameters, and gives `Ties` by entity; which of the entities are companies, funds or
extended nodes on that day is settled where the snapshot is composed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nexus.db.graph import NODE_TYPES
from nexus.db.relations import Holding
from nexus.db.view import View
from nexus.graph.sic import gics_sector
from nexus.maths.correlation import top_correlations
from nexus.maths.types import Floats, Ints

HOLDS, DIRECTS = "holds", "director_of"
SIC = "SIC"
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Known:
    """What an edge function may look at.

    members : (m,) ids of who belongs to the universe, ascending; columns : their places in `view.companies`
    holding : edges of the `relations` table that hold; names : its relations; kinds : of src and dst, (2, n), as places
        in NODE_TYPES
    backdated : inputs of tier C
    """

    view: View
    members: Ints
    columns: Ints
    holding: Holding
    names: tuple[str, ...]
    kinds: NDArray[np.int8]
    backdated: frozenset[str]

    def stated(self, relation: str, src: str, dst: str) -> NDArray[np.intp]:
        """Rows of `holding` of a relation between two kinds of entities."""
        if relation not in self.names:
            return np.empty(0, np.intp)
        chosen = self.holding.relation == self.names.index(relation)
        for side, kind in zip(self.kinds, (src, dst), strict=True):
            chosen &= side == NODE_TYPES.index(kind)
        return np.flatnonzero(chosen)


@dataclass(frozen=True)
class Ties:
    """Edges (n,) of one relation, by entity id; of an edge that comes twice the first counts.

    weight : NaN counts as 1
    inputs : of the panel, that they rest on; sources : ranks of the sources of relations that they rest on
    """

    relation: str
    src: Ints
    dst: Ints
    weight: Floats
    inputs: tuple[str, ...] = ()
    sources: Ints = field(default_factory=lambda: np.empty(0, np.int64))


def stated(known: Known) -> Iterator[Ties]:
    """Every relation of the `relations` table under its own name: supply, ownership, seats, competitors, others."""
    holding = known.holding
    for place, name in enumerate(known.names):
        rows = holding.relation == place
        yield Ties(name, holding.src[rows], holding.dst[rows], holding.weight[rows], sources=holding.source[rows])


def board(known: Known) -> Iterator[Ties]:
    """Members that share directors; the weight is how many."""
    rows = known.stated(DIRECTS, "director", "company")
    rows = rows[np.isin(known.holding.dst[rows], known.members)]
    company, seat = np.unique(known.holding.dst[rows], return_inverse=True)
    person, holder = np.unique(known.holding.src[rows], return_inverse=True)
    sits = sp.csr_array((np.ones(len(rows)), (seat, holder)), shape=(len(company), len(person)))
    yield _pairs("board", company, sits @ sits.T, known.holding.source[rows])


def fund_similarity(known: Known, least: float = 0.01) -> Iterator[Ties]:
    """Funds with holdings in common; the weight is the cosine of their holdings' weights, kept above `least`.

    A holding without a weight counts as the mean of the fund's others, as 1 where it has none; a short position counts
    against. From 0 (nothing in common) to 1 (the same portfolio).
    """
    holding = known.holding
    rows = np.concatenate([known.stated(HOLDS, "fund", kind) for kind in NODE_TYPES])
    fund, owner = np.unique(holding.src[rows], return_inverse=True)
    asset, held = np.unique(holding.dst[rows], return_inverse=True)
    weight = _filled(holding.weight[rows], owner, len(fund))
    length = np.sqrt(np.bincount(owner, weight**2, len(fund)))
    share = np.divide(weight, length[owner], out=np.zeros(len(rows)), where=length[owner] > 0)
    shares = sp.csr_array((share, (owner, held)), shape=(len(fund), len(asset)))
    ties = _pairs("fund_similarity", fund, shares @ shares.T, holding.source[rows])
    kept = ties.weight > least
    weight = np.minimum(ties.weight[kept], 1.0)
    yield replace(ties, src=ties.src[kept], dst=ties.dst[kept], weight=weight)


def sector(known: Known, schemes: tuple[str, ...], k: int = 5, backdated: bool = False) -> Iterator[Ties]:
    """Members of the same class, each tied to 2 k of them; the weight is 1.

    schemes : a company's class is that of the first in which it has one; a code of the scheme "SIC" counts as its GICS
        sector
    k : a class is a ring in an order that means nothing and never changes, each tied to the k next on either side: all
        to all in small classes, and in large ones not the hundred thousand edges that say the same
    backdated : whether classes count that were told of later than they are dated; by default a scheme with such rows is
        passed over, or every snapshot were tier C
    """
    classes = np.full(len(known.members), "", dtype=object)
    used = []
    for name in schemes:
        origin = f"classifications.{name}"
        if not backdated and origin in known.backdated:
            continue
        found = np.where(classes == "", _classes(known, name), classes)
        if (found != classes).any():
            used.append(origin)
        classes = found
    there = np.flatnonzero(classes != "")
    ends = [_ring(known.members[there[classes[there] == one]], k) for one in sorted(set(classes[there]))]
    src, dst = np.concatenate([*ends, np.empty((2, 0), np.int64)], axis=1)
    yield Ties("sector", src, dst, np.ones(len(src)), tuple(used))


def correlation(known: Known, window: int = 252, k: int = 50) -> Iterator[Ties]:
    """Each member's k nearest others by absolute correlation of returns per session; the weight is that, signed."""
    returns = known.view.returns(window)[:, known.columns]
    returns = np.where(np.isfinite(returns), returns, np.nan)
    (top,) = top_correlations(returns, np.array([window - 1]), window=window, k=k)
    yield Ties("correlation", known.members[top.src], known.members[top.dst], top.corr, ("prices.close",))


def _pairs(relation: str, ids: Ints, product: Any, sources: Ints) -> Ties:
    """The pairs of `ids` with an entry above the diagonal."""
    upper = sp.triu(product, k=1).tocoo()
    src, dst = (ids[places.astype(np.int64)] for places in (upper.row, upper.col))
    return Ties(relation, src, dst, upper.data, sources=sources)


def _filled(weight: Floats, owner: NDArray[np.intp], n: int) -> Floats:
    there = np.isfinite(weight)
    count = np.bincount(owner[there], minlength=n)
    total = np.bincount(owner[there], weight[there], n)
    mean = np.divide(total, count, out=np.ones(n), where=count > 0)
    return np.where(there, weight, mean[owner])


def _classes(known: Known, scheme: str) -> NDArray[Any]:
    """Class of each member in a scheme, "" where it has none."""
    names = known.view.sector_names(scheme)
    if scheme == SIC:
        names = tuple(gics_sector(name) or "" for name in names)
    return np.array([*names, ""], dtype=object)[known.view.sector(scheme)[known.columns]]


def _ring(ids: Ints, k: int) -> Ints:
    """Ends (2, n) of the ties of a class."""
    order = ids[np.argsort(ids.astype(np.uint64) * _SPREAD)]
    steps = range(1, min(k, len(ids) // 2) + 1)
    return np.concatenate(
        [np.empty((2, 0), np.int64), *(np.stack([order, np.roll(order, -step)]) for step in steps)], axis=1
    )
