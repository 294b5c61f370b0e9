"""What is earned along supply edges: a supplier's next month follows its customers' last one."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from nexus.ingest.simulate.places import Ties
from nexus.ingest.simulate.planted import Truth, standardised
from nexus.ingest.simulate.risk import OWN, YEAR
from nexus.ingest.simulate.streams import stream
from nexus.ingest.simulate.styles import Style
from nexus.ingest.simulate.timeline import Timeline
from nexus.ingest.simulate.units import MONTH, excess
from nexus.maths.types import Bools, Floats, Ints

Label = Literal["planted", "supply", "degree"]
"""What pays: all that is planted, customers' returns alone, or the number of suppliers alone."""
NEIGHBOURS = Truth(0.05, 0.07, 0.0, "along supply edges from when they are known")
"""Of the mean return of a supplier's known customers over 21 sessions, in excess of the market's."""
SEEN, SEEN_SD = 0.745, 0.80
"""Share of the mean and of the sd of what the customers' own return pays that this score shows: measured."""
STRONG = 0.4
"""IC of what pays in a market where nothing else does."""


def neighbours(found: Ties, own: Floats, listed: Bools, time: Timeline, names: int, label: Label) -> Style:
    """Return the style that is planted on the graph.

    own : (n_sessions, n_companies), log returns; listed : (n_months, n_companies); names : listed at a time
    """
    if label not in get_args(Label):
        raise ValueError(f"label {label!r}: one of {', '.join(get_args(Label))}")
    if label == "degree":
        loading = standardised(np.where(listed, np.log1p(suppliers(found, listed, time)), np.nan))
    else:
        loading = customers_own(found, own, listed, time)
    strong = label != "planted"
    mean = STRONG if strong else NEIGHBOURS.ic / SEEN
    sd = 0.0 if strong else excess(NEIGHBOURS.sd, names) / SEEN_SD
    months = np.ones(len(listed))
    return Style(np.nan_to_num(loading), mean * months, sd * months)


def customers_own(found: Ties, own: Floats, listed: Bools, time: Timeline) -> Floats:
    """Return the mean own return of each company's known customers over 21 sessions, in units of its usual sd.

    Returns (n_months, n_companies), 0 without a known customer.
    """
    total = np.vstack([np.zeros(own.shape[1]), np.cumsum(own, axis=0)])
    scores = np.zeros(listed.shape)
    for month, session in enumerate(time.months):
        past = total[session + 1] - total[max(session + 1 - MONTH, 0)]
        at = found.open(time.closes[session])
        at = at[listed[month, found.partner[at]]]
        scores[month] = mean_over(found.owner[at], past[found.partner[at]], own.shape[1])
    usual = OWN * np.sqrt(MONTH / YEAR / 3)
    return np.asarray(np.nan_to_num(scores) / usual)


def suppliers(found: Ties, listed: Bools, time: Timeline) -> Floats:
    """Return how many suppliers each company is known to have, (n_months, n_companies)."""
    counts = [np.bincount(found.partner[found.open(time.closes[session])], minlength=listed.shape[1])
              for session in time.months]  # fmt: skip
    return np.array(counts, np.float64)


def mean_over(group: Ints, values: Floats, groups: int) -> Floats:
    """Return the mean of the values of each group, (groups,); NaN where it has none."""
    n = np.bincount(group, minlength=groups)
    total = np.bincount(group, weights=values, minlength=groups)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def shocks(seed: int, sessions: int) -> Floats:
    """Return what moves the style's premium from session to session, (n_sessions, 1), sd 1 over 21 of them."""
    return np.asarray(stream(seed, "neighbours").standard_normal((sessions, 1)) / np.sqrt(MONTH))
