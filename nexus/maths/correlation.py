"""Which columns move most alike: each one's nearest others by correlation, over a window that moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nexus.maths.types import Bools, Floats, Ints

DECIMALS = 9
"""To which a correlation is rounded: the same window gives the same pairs, however its sums were added up."""


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
    for place, end in enumerate(ends):
        part = returns[max(0, end + 1 - window) : end + 1]
        there = np.isfinite(part).sum(axis=0) >= least
        nodes = np.flatnonzero(there if members is None else there & members[place])
        yield _top(int(end), nodes, _correlations(np.ascontiguousarray(part[:, nodes]), least), k)


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


def _correlations(values: Floats, least: int) -> Floats:
    """Pairwise correlations, (n, n), rounded; NaN on the diagonal and where there is none."""
    n = values.shape[1]
    out = np.full((n, n), np.nan)
    full = np.isfinite(values).all(axis=0)
    centred = _centred(values[:, full])
    out[np.ix_(full, full)] = _over_norms(centred.T @ centred, *[(centred**2).sum(axis=0)] * 2)
    for column in np.flatnonzero(~full):
        rows = np.isfinite(values[:, column])
        for other in range(n):
            both = rows & np.isfinite(values[:, other])
            if both.sum() >= least:
                pair = _centred(values[both][:, [column, other]])
                squares = (pair**2).sum(axis=0)
                found = _over_norms(pair[:, :1].T @ pair[:, 1:], squares[:1], squares[1:])[0, 0]
                out[column, other] = out[other, column] = found
    np.fill_diagonal(out, np.nan)
    return out.round(DECIMALS)


def _centred(values: Floats) -> Floats:
    """Values less the mean of their column; exactly zero where all are equal."""
    shifted: Floats = values - values[:1]
    shifted -= shifted.mean(axis=0)
    return shifted


def _over_norms(products: Floats, squares: Floats, squares_too: Floats) -> Floats:
    norms = np.sqrt(squares)[:, None] * np.sqrt(squares_too)
    out = np.full(products.shape, np.nan)
    np.divide(products, norms, out=out, where=norms > 0)
    return out


def _top(end: int, nodes: Ints, correlations: Floats, k: int) -> TopPairs:
    size = np.abs(correlations)
    order = np.argsort(-size, axis=1, kind="stable")[:, :k]  # NaN last
    known = np.isfinite(np.take_along_axis(size, order, axis=1))
    row, place = np.nonzero(known)
    column = order[row, place]
    return TopPairs(end, nodes, nodes[row], nodes[column], np.clip(correlations[row, column], -1.0, 1.0))
