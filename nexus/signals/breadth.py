"""How many names a date has, how many different scores, and how many names share the commonest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.maths.stats import row_order
from nexus.maths.types import Floats, Ints


@dataclass(frozen=True)
class Breadth:
    """Per date, each (n_dates,): names with a score, different scores, share of names on the commonest (NaN: none)."""

    names: Ints
    distinct: Ints
    commonest: Floats


def breadth(scores: Floats) -> Breadth:
    """Breadth of (n_dates, n_companies) scores, NaN none."""
    order, counts = row_order(scores)
    names = counts.astype(np.int64)
    place = np.arange(scores.shape[1])
    tied = (order < 0) & (place < counts[:, None])  # equal to the one before it in order of score
    distinct = names - tied.sum(axis=1)
    longest = (names > 0).astype(np.int64)
    some = tied.any(axis=1)
    if some.any():
        since = np.maximum.accumulate(np.where(tied[some], 0, place), axis=1)
        longest[some] += (place - since).max(axis=1, where=place < counts[some, None], initial=0)
    share = np.full(len(names), np.nan)
    np.divide(longest, names, out=share, where=names > 0)
    return Breadth(names, distinct, share)
