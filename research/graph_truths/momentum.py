"""Neighbour momentum of a simulated market, from its arrays, along true edges and along three kinds of false ones."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nexus.ingest.simulate.economy import Economy
from nexus.ingest.simulate.neighbours import mean_over
from nexus.ingest.simulate.places import Ties
from nexus.maths.rewire import rewired
from nexus.maths.types import Floats, Ints

Along = Literal["known", "rewired", "reversed", "unknown"]
"""Edges known on the day; the same with other partners, degrees kept; against the arrows; those not known yet."""
MONTH = 21
"""Sessions."""


def neighbour_momentum(world: Economy, along: Along = "known") -> Floats:
    """Mean return of each company's customers over 21 sessions, (n_months, n_companies); NaN without one.

    The factor of this name, of returns that are not rounded and of companies listed both then and now.
    """
    total = np.vstack([np.zeros(world.log_return.shape[1]), np.cumsum(world.log_return, axis=0)])
    listed = world.lives.listed(world.time.months)
    scores = np.full(listed.shape, np.nan)
    for month, session in enumerate(world.time.months):
        past = np.expm1(total[session + 1] - total[max(session + 1 - MONTH, 0)])
        company, partner = _edges(world, int(session), along)
        there = listed[month, company] & listed[month, partner]
        scores[month] = mean_over(company[there], past[partner[there]], listed.shape[1])
    return np.where(listed, scores, np.nan)


def _edges(world: Economy, session: int, along: Along) -> tuple[Ints, Ints]:
    instant, found = world.time.closes[session], world.supply
    if along == "unknown":
        at = _not_yet_known(found, session, instant)
        return found.owner[at], found.partner[at]
    at = found.open(instant)
    supplier, customer = found.owner[at], found.partner[at]
    if along == "reversed":
        return customer, supplier
    if along == "rewired":
        return rewired(supplier, customer, np.random.default_rng([world.seed, session]))
    return supplier, customer


def _not_yet_known(found: Ties, session: int, instant: np.datetime64) -> Ints:
    """Ties that hold on the day or will within a year, and of which nobody knows."""
    soon = found.start <= session + 252
    return np.intersect1d(np.flatnonzero(soon & (found.end > session)), found.coming(instant))
