"""Who supplies whom: customers are drawn by an affinity that nobody sees, at random, or once and for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from nexus.ingest.simulate.lives import Lives
from nexus.ingest.simulate.places import SUPPLIES, Draw, Ties, ties, uniformly
from nexus.ingest.simulate.streams import stream
from nexus.ingest.simulate.timeline import Timeline
from nexus.maths.types import Bools, Floats, Ints

Wiring = Literal["affinity", "random", "static"]
"""How new customers are drawn: by affinity, whoever they are, or at the first session only and by affinity."""
BAYES_AUC = 0.80
"""With which affinity tells new edges from pairs of companies that are not tied: nobody who sees less can do better."""
LIKENESS, PULL = 2.4, 1.0
"""What a standard deviation of place is worth in log odds, among likes and downstream, for BAYES_AUC: measured."""


def supply(seed: int, time: Timeline, lives: Lives, wiring: Wiring = "affinity") -> Ties:
    """Return who supplies (owner) whom (partner), from the first session to the last."""
    if wiring not in get_args(Wiring):
        raise ValueError(f"wiring {wiring!r}: one of {', '.join(get_args(Wiring))}")
    if wiring == "random":
        return ties(seed, time, lives, SUPPLIES, uniformly)
    static = wiring == "static"
    relation = replace(SUPPLIES, vacated=0.0) if static else SUPPLIES
    draw = by_affinity(affinity(seed, len(lives)), once=static)
    return ties(seed, time, lives, relation, draw, f"{SUPPLIES.name} by {wiring}")


def affinity(seed: int, companies: int) -> Floats:
    """Return the logarithm of the odds of each company (column) as a customer of each other, (n, n).

    Each company has a place for life, from upstream to downstream, that nobody sees. Who is at one end deals with that
    end, and everybody rather downstream; so the number of suppliers grows downstream and betrays the place a little.
    """
    place = stream(seed, "affinity").uniform(-np.sqrt(3), np.sqrt(3), companies)
    return LIKENESS * np.outer(place, place) + PULL * place


def by_affinity(log_odds: Floats, once: bool = False) -> Draw:
    """Return who draws different partners at these odds; `once` for the first draw only.

    log_odds : (n_owners, n_partners)
    """
    done = False

    def draw(random: np.random.Generator, held: Ints, pool: Ints, wanted: Bools) -> Ints:
        nonlocal done
        drawn = np.full(held.shape, -1)
        if not (once and done):
            owners = np.flatnonzero(wanted.any(axis=1))
            drawn[owners] = _different(random, log_odds[owners], owners, held[owners], pool)
        done = True
        return drawn

    return draw


def _different(random: np.random.Generator, log_odds: Floats, owners: Ints, held: Ints, pool: Ints) -> Ints:
    """Return a partner for each place, (n_owners, places), no two the same nor one that is held; -1 where too few.

    The largest of log odds plus Gumbel noise are a draw without replacement (Yellott 1977).
    """
    score = np.full(log_odds.shape, -np.inf)
    score[:, pool] = log_odds[:, pool] + random.gumbel(size=(len(owners), len(pool)))
    row = np.arange(len(owners))
    score[row, owners] = -np.inf
    for place in held.T:
        score[row[place >= 0], place[place >= 0]] = -np.inf
    best = np.argsort(-score, axis=1, kind="stable")[:, : held.shape[1]]
    found: Ints = np.where(np.isfinite(np.take_along_axis(score, best, axis=1)), best, -1)
    return found
