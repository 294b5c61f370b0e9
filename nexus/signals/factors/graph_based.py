"""Factors of the month-end graph and of what modules made of it, each as known on the day.

A date without a graph, an embedding or a history has no score at all. In an edge "supplies" the source is the supplier
and the target its customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy import timedelta64

from nexus.db.panel import Observations, View
from nexus.maths.rewire import rewired
from nexus.maths.types import Bools, Floats, Ints
from nexus.signals.factor import Compute, Factor

Params = Mapping[str, Any]
GRAPH, MODEL = "monthly", "hgt-1"
SUPPLIES = ("company", "supplies", "company")
MONTH, YEAR = 21, 12
"""Sessions; snapshots."""
NEXT = timedelta64(45, "D")
"""A month-end snapshot is the next after another if it is at most so much later, and out of date after as long."""
STILL = 1e-6
"""Drift below this is none: the graph around the company did not change."""
SCHEMES = ("GICS", "SIM")


def _nothing(view: View) -> Floats:
    return np.full(len(view.companies), np.nan)


def _drift(data: Observations, day: date, params: Params) -> Floats:
    """One minus the cosine of a company's embedding and that of the month before, both from the same weights.

    The weights are the newest trained before the day; the month before a refit's first month is embedded by them too.
    NaN for who has one of the two only; a date on which more than half of the names drift by less than STILL has no
    score. Two-sided: nobody has claimed a direction.
    """
    view = data.at(day)
    days, vectors = view.embeddings(MODEL, 2)
    if not _consecutive(view, days):
        return _nothing(view)
    drift = 1 - _cosine(vectors[1], vectors[0])
    return _nothing(view) if _still(drift) else drift


def same_weights(data: Observations, day: date) -> bool:
    """Whether the month before was already seen by the weights that the day's drift is told by: no refit in between."""
    days, vectors = data.at(day).embeddings(MODEL, 2)
    if not _consecutive(data.at(day), days) or days[0] not in data.sessions:
        return False
    seen, before = data.at(days[0]).embeddings(MODEL, 1)
    return bool(len(seen) and seen[0] == days[0] and np.array_equal(before[0], vectors[0], equal_nan=True))


def _consecutive(view: View, days: Any) -> bool:
    return len(days) == 2 and bool(days[1] - days[0] <= NEXT) and _fresh(view, days)


def _fresh(view: View, days: Any) -> bool:
    return len(days) > 0 and bool(view.day - days[-1] <= NEXT)


def _cosine(one: Floats, other: Floats) -> Floats:
    """Of each row, (n,); NaN where one is missing or of length 0."""
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("ij,ij->i", one, other) / np.where(length > 0, length, np.nan))


def _still(drift: Floats) -> bool:
    known = drift[np.isfinite(drift)]
    return len(known) == 0 or bool(np.mean(known < STILL) > 0.5)


def _pagerank(data: Observations, day: date, params: Params) -> Floats:
    """PageRank in the newest graph; who is central bears what befalls the others, and is paid for it. Ahern (2013)."""
    view = data.at(day)
    days, ranks = view.centrality("pagerank", 1)
    return ranks[-1] if _fresh(view, days) else _nothing(view)


def _centrality_change(data: Observations, day: date, params: Params) -> Floats:
    """Change of a measure of centrality over `snapshots` snapshots; NaN before there are so many. A demonstration."""
    view = data.at(day)
    days, values = view.centrality(params["measure"], params["snapshots"] + 1)
    whole = len(days) == params["snapshots"] + 1 and bool((np.diff(days) <= NEXT).all())
    return values[-1] - values[0] if whole and _fresh(view, days) else _nothing(view)


def _neighbour_momentum(data: Observations, day: date, params: Params) -> Floats:
    """Mean return of the company's customers over 21 sessions; their news reaches suppliers late.

    Customers are the targets of the "supplies" edges that leave the company; NaN without one that has a return.
    Whether in excess of the market or not is the same order. Cohen & Frazzini (2008), Menzly & Ozbas (2010).
    `ends` "suppliers" is the same against the arrows, a `rewired` seed along edges with the same degrees: both are
    falsifiers, which should say nothing.
    """
    view = data.at(day)
    graphs = view.graphs(GRAPH, 1)
    edges = graphs[0].edges.get(SUPPLIES) if graphs and _fresh(view, [graphs[0].day]) else None
    if edges is None:
        return _nothing(view)
    src, dst = edges.src, edges.dst
    if params["rewired"] is not None:
        src, dst = rewired(src, dst, np.random.default_rng([params["rewired"], int(view.day.astype(np.int64))]))
    company, partner = (dst, src) if params["ends"] == "suppliers" else (src, dst)
    return _mean_of_partners(view, company, partner, _growth(view.returns(MONTH)))


def _growth(returns: Floats) -> Floats:
    """Compound return of each column that is known on three quarters of the rows."""
    enough = np.isfinite(returns).mean(axis=0) >= 0.75
    return np.where(enough, np.nanprod(1 + returns, axis=0) - 1, np.nan)


def _mean_of_partners(view: View, company: Ints, partner: Ints, values: Floats) -> Floats:
    """Mean of the partners' values by company, (n_companies,); NaN without a partner that has a value.

    company, partner : (n_edges,) entity ids
    """
    places, there = _places(view.companies, np.stack([company, partner]))
    places = places[:, there.all(axis=0)]
    known = np.isfinite(values[places[1]])
    company, value = places[0][known], values[places[1]][known]
    n = np.bincount(company, minlength=len(values))
    total = np.bincount(company, weights=value, minlength=len(values))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _places(companies: Ints, ids: Ints) -> tuple[Ints, Bools]:
    """Column of each id, and whether the panel has it."""
    places = np.minimum(np.searchsorted(companies, ids), len(companies) - 1)
    return places, companies[places] == ids


def _sector_distance(data: Observations, day: date, params: Params) -> Floats:
    """One minus the cosine of a company's embedding and its sector's mean, without itself; NaN without a fellow.

    Sectors are those of the first of SCHEMES that knows the company. A demonstration, without a claim.
    """
    view = data.at(day)
    days, vectors = view.embeddings(MODEL, 1)
    if not _fresh(view, days):
        return _nothing(view)
    there = np.isfinite(vectors[-1]).all(axis=1)
    own = np.where(there[:, None], vectors[-1], 0.0)
    distance = _nothing(view)
    for scheme in SCHEMES[::-1]:
        sector = view.sector(scheme)
        counted = there & (sector >= 0)
        fellows = np.bincount(sector[counted], minlength=sector.max(initial=0) + 1)
        total = np.zeros((len(fellows), own.shape[1]))
        np.add.at(total, sector[counted], own[counted])
        told = counted & (fellows[np.maximum(sector, 0)] > 1)
        distance[counted] = np.nan  # one alone in its sector has no fellows of another scheme
        distance[told] = 1 - _cosine(own[told], total[sector[told]] - own[told])
    return distance


def _factor(
    name: str, compute: Compute, *inputs: str, neutralise: str = "none", params: Params | None = None
) -> Factor:
    return Factor(name, "1", inputs, neutralise, compute, params or {}, type="graph")


EMBEDDINGS = f"node_embeddings.{MODEL}"
ALONG = ("prices.close", f"graph_snapshots.{GRAPH}")

GNN_EMBEDDING_DRIFT = _factor("graph_gnn_embedding_drift", _drift, EMBEDDINGS)
PAGERANK = _factor("graph_pagerank", _pagerank, "centrality_history.pagerank", neutralise="beta+volatility")
CENTRALITY_CHANGE = _factor(
    "graph_centrality_change",
    _centrality_change,
    "centrality_history.pagerank",
    params={"measure": "pagerank", "snapshots": YEAR},
)
NEIGHBOUR_MOMENTUM = _factor(
    "neighbour_momentum", _neighbour_momentum, *ALONG, params={"ends": "customers", "rewired": None}
)
SECTOR_EMBEDDING_DISTANCE = _factor(
    "sector_embedding_distance", _sector_distance, EMBEDDINGS, *(f"classifications.{scheme}" for scheme in SCHEMES)
)
FALSIFIERS = (
    _factor("neighbour_momentum_reversed", _neighbour_momentum, *ALONG, params={"ends": "suppliers", "rewired": None}),
    _factor("neighbour_momentum_rewired", _neighbour_momentum, *ALONG, params={"ends": "customers", "rewired": 0}),
)
"""Of neighbour momentum; not among the factors that are evaluated by default."""
