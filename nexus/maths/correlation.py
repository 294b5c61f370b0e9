"""Which columns move most alike: each one's nearest others by correlation, over a window that moves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from nexus.maths.correlation_windows import Nearest, Threads, Windows
from nexus.maths.types import Bools, Floats, Ints

REFRESH = 16
"""Windows after which the products of returns are summed anew: they gather errors as they move on."""
THREAD_COLUMNS = 256
"""Columns for which one more thread pays."""


@dataclass(frozen=True)
class TopPairs:
    """Each node's nearest others as of one row.

    end : the row; nodes : (n,) columns with enough returns in its window, ascending
    src, dst : (n_pairs,) columns; by src, then the highest absolute correlation first, then dst
    corr : (n_pairs,) signed, rounded to 9 decimals
    """

    end: int
    nodes: Ints
    src: Ints
    dst: Ints
    corr: Floats


@dataclass(frozen=True)
class _Terms:
    window: int
    k: int
    least: int


def top_correlations(
    returns: Floats,
    ends: Ints,
    *,
    window: int = 252,
    k: int = 50,
    least: int | None = None,
    members: Bools | None = None,
) -> Iterator[TopPairs]:
    """The k nearest others of every column by absolute Pearson correlation, at the end of each window.

    returns : (n_rows, n_columns); NaN where there is none
    ends : (n_ends,) rows, ascending; a window is the `window` rows up to its end and included, fewer at the start
    least : returns that a column must have in the window, and days that a pair must have in common; None: half of it
    members : (n_ends, n_columns), who may be a node at each end; None: everyone
    Yields one TopPairs per end, by rows up to it alone. A correlation is over the days on which both have a return, as
    `DataFrame.corr(min_periods=least)`; a pair without variance in either has none, and gives no edge. Fewer than k
    where there are not so many; equal ones in the order of the columns.

    Raises
    ------
    ValueError
        When the rows are not ascending or out of range, `least` does not fit the window, or there is an infinite value.
    """
    least = max(2, (window + 1) // 2) if least is None else least
    _check(returns, ends, window, k, least)
    n = min(os.cpu_count() or 1, 1 + returns.shape[1] // THREAD_COLUMNS)
    recent = np.full((2, returns.shape[1]), np.inf)
    with ThreadPoolExecutor(n) as pool:
        for places in _blocks(ends, window):
            own = None if members is None else members[places]
            yield from _block(returns, ends[places], own, _Terms(window, k, least), recent, Threads(n, pool))


def _block(
    returns: Floats, ends: Ints, members: Bools | None, terms: _Terms, recent: Floats, threads: Threads
) -> Iterator[TopPairs]:
    first = max(0, int(ends[0]) + 1 - terms.window)
    part = returns[first : ends[-1] + 1]
    stops = ends + 1 - first
    starts = np.maximum(stops - terms.window, 0)
    there = _there(part, starts, stops, terms.least)
    there &= True if members is None else members
    names = np.flatnonzero(there.any(axis=0))
    windows = Windows(part, names, int(stops[0]), terms.k, terms.least, threads)
    own_recent = recent[:, names]
    for place, end in enumerate(ends):
        nodes = np.flatnonzero(there[place, names])
        found = windows.nearest(int(starts[place]), int(stops[place]), nodes, own_recent)
        yield _pairs(int(end), names[nodes], found)
    recent[:, names] = own_recent


def _there(part: Floats, starts: Ints, stops: Ints, least: int) -> Bools:
    """Who has returns enough in each of the windows, (n_windows, n_columns)."""
    known = np.zeros((len(part) + 1, part.shape[1]), np.int32)
    np.cumsum(np.isfinite(part), axis=0, out=known[1:])
    enough: Bools = known[stops] - known[starts] >= least
    return enough


def _blocks(ends: Ints, window: int) -> Iterator[slice]:
    """Ends whose windows are worth moving through together; after each block the products are summed anew."""
    start = 0
    for stop in range(1, len(ends) + 1):
        if stop == len(ends) or stop - start == REFRESH or ends[stop] - ends[start] > 2 * window:
            yield slice(start, stop)
            start = stop


def _pairs(end: int, nodes: Ints, found: Nearest) -> TopPairs:
    known = found.src >= 0
    if known.all():
        return TopPairs(end, nodes, found.src.reshape(-1), found.dst.reshape(-1), found.corr.reshape(-1))
    return TopPairs(end, nodes, found.src[known], found.dst[known], found.corr[known])


def _check(returns: Floats, ends: Ints, window: int, k: int, least: int) -> None:
    if not 2 <= least <= window:
        raise ValueError(f"top_correlations: least {least} of a window of {window}; it must be 2 to the window")
    if k < 1:
        raise ValueError(f"top_correlations: k {k} asks for no neighbour; it must be 1 or more")
    if len(ends) and (ends[0] < 0 or ends[-1] >= len(returns) or (np.diff(ends) <= 0).any()):
        raise ValueError(f"top_correlations: ends must ascend within 0 to {len(returns) - 1}; sort them, drop doubles")
    if np.isinf(returns).any():
        row, column = np.argwhere(np.isinf(returns))[0]
        raise ValueError(f"top_correlations: infinite return in row {row}, column {column}; make it NaN")
