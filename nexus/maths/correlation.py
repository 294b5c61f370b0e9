"""Which columns move most alike: each one's nearest others by correlation, over a window that moves."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from nexus.maths import correlation_kernels as kernels
from nexus.maths.correlation_columns import Singles, lay_out, totals
from nexus.maths.correlation_kernels import EIGHT, LACKS, SQUARE, UNFIT, Small
from nexus.maths.types import Bools, Floats, Ints

Result = TypeVar("Result")

REFRESH = 64
"""Windows after which the products of returns are summed anew: they gather errors as they move on."""
REACH = 6
"""Windows that the rows of a block may be long."""
THREAD_COLUMNS = 256
"""Columns for which one more thread pays."""
PARTS = 4
"""Parts of the work for each thread, so that none waits long for another."""
AHEAD = 2
"""Windows for each thread that are told before they are asked for."""
LANES = 256
"""Lanes in which the sieve looks for the best, for each 64 neighbours."""
ROUNDING = 2.0**-23
"""Error of a rounding to single precision, as a share of what is rounded: twice the bound."""
USUAL = 4.0
"""Times the median error from which on a column's correlations are told one by one."""
FAINT = 1e-20
"""Sum of squares, of values up to 1, under which single precision may lose some."""


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
class _Threads:
    """Hands the work on columns out."""

    n: int
    pool: ThreadPoolExecutor

    def share(self, work: Callable[[slice], Result], length: int) -> list[Result]:
        """What `work` gives for each part of the length, more than there are threads so that none waits for long."""
        step = SQUARE * max(1, -(-length // (PARTS * self.n * SQUARE)))
        parts = [slice(start, min(start + step, length)) for start in range(0, max(length, 1), step)]
        return list(self.pool.map(work, parts))


@dataclass(frozen=True)
class _Terms:
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
    threads = min(os.cpu_count() or 1, 1 + returns.shape[1] // THREAD_COLUMNS)
    terms = _Terms(k, least)
    with ThreadPoolExecutor(threads) as pool:
        for places in _blocks(ends, window):
            first = max(0, int(ends[places.start]) + 1 - window)
            part, stops = returns[first : ends[places.stop - 1] + 1], ends[places] + 1 - first
            starts = np.maximum(stops - window, 0)
            known = _known(part, starts, stops)
            nodes = (known >= least) & (True if members is None else members[places])
            whole = nodes & (known == (stops - starts)[:, None])
            names = np.flatnonzero(nodes.any(axis=0))
            windows = _Windows(part, names, starts, stops, whole[:, names], terms, _Threads(threads, pool))
            told: deque[Future[TopPairs]] = deque()
            for place, end in enumerate(ends[places].tolist()):
                if len(told) > AHEAD * threads:  # a reader may be slower
                    yield told.popleft().result()
                told.append(pool.submit(windows.nearest, place, end, nodes[place, names]))
            yield from (one.result() for one in told)


def _blocks(ends: Ints, window: int) -> Iterator[slice]:
    """Ends whose windows are worth moving through together; after each block the products are summed anew."""
    start = 0
    for stop in range(1, len(ends) + 1):
        if stop == len(ends) or stop - start == REFRESH or ends[stop] - ends[start] > REACH * window:
            yield slice(start, stop)
            start = stop


class _Windows:
    """Some columns of some rows, and who may be nearest to whom in each of some windows.

    returns : (n_rows, n_columns); names : (n,) the columns that are wanted at all
    starts, stops : (n_windows,) ascending rows; whole : (n_windows, n), who is a node and lacks nothing
    """

    def __init__(
        self, returns: Floats, names: Ints, starts: Ints, stops: Ints, whole: Bools, terms: _Terms, threads: _Threads
    ) -> None:
        self._names, self._starts, self._stops, self._terms, self._threads = names, starts, stops, terms, threads
        self._lanes = LANES * (1 + terms.k // 64)
        n, n_rows, width = len(names), len(returns), -(-len(names) // self._lanes) * self._lanes
        self._width = width
        self._raw, x = np.empty((n, n_rows)), _aligned((n_rows, width), np.float32)
        x[:, n:] = 0.0
        threads.share(lambda own: lay_out(returns, names[own], int(stops[0]), self._raw[own], x[:, own]), n)
        moves, roundings = _moves(starts, stops)
        figures, slacks = self._figures(x, whole, roundings, moves[-1])
        self._floors = np.zeros((len(starts), n), np.float32)

        def sift(own: slice) -> tuple[slice, Small, Ints, Ints]:
            room = _aligned((SQUARE, width), np.float32)
            return own, *kernels.sieve(
                own.start, own.stop, x, *moves, figures, slacks, whole, terms.k, self._lanes, room, self._floors
            )

        self._sifted = threads.share(sift, n)

    def nearest(self, place: int, end: int, nodes: Bools) -> TopPairs:
        """Of one of the windows; nodes : (n,)."""
        start, stop, kinds = int(self._starts[place]), int(self._stops[place]), np.full(self._width, UNFIT)
        z = _aligned((len(nodes), -(-(stop - start) // 8) * 8), np.float64)
        kernels.describe(self._raw, start, stop, nodes, kinds, z)
        odd, k = np.flatnonzero(kinds == LACKS), self._terms.k
        known, told = np.zeros((len(odd), z.shape[1])), np.empty((len(odd), len(z)))
        known[:, : stop - start] = np.isfinite(self._raw[odd, start:stop])
        kernels.tell(odd, known, kinds, z, self._terms.least, told)
        keys = np.empty((len(nodes), 2 * k), np.uint64)
        for own, found, starts, counts in self._sifted:
            kernels.judge(
                own.start, own.stop, found, starts[place], counts[place], self._floors[place], kinds, odd, told,
                z, self._raw, start, stop - start, self._terms.least, k, self._lanes, keys[own],
            )  # fmt: skip
        keys.sort(axis=1)
        return TopPairs(end, self._names[nodes], *kernels.read(keys, k, self._names))

    def _figures(self, x: Singles, whole: Bools, roundings: Ints, fresh: Bools) -> tuple[Singles, Floats]:
        """As `kernels.sieve` wants them, and the errors of correlations, (n_windows,)."""
        n_windows, width = len(whole), x.shape[1]
        sums, squares = np.empty((n_windows, width)), np.empty((n_windows, width))
        out, slacks, peaks = np.zeros((n_windows, 3, width), np.float32), np.zeros(n_windows), np.zeros(width)

        list(self._threads.pool.map(totals, [x] * n_windows, self._starts, self._stops, sums, squares))
        for w, length in enumerate(self._stops - self._starts):
            own = np.flatnonzero(whole[w])
            peaks = np.maximum(FAINT if fresh[w] else peaks, squares[w])
            if len(own):
                with np.errstate(all="ignore"):
                    spreads = squares[w] - sums[w] ** 2 / length
                    errors = np.where(spreads > 0, ROUNDING * roundings[w] * peaks / spreads, np.inf)[own]
                    slack = min(errors.max(), USUAL * np.median(errors))
                    out[w][:, own] = np.stack([sums[w], sums[w] / length, 1 / np.sqrt(spreads)])[:, own]
                out[w, 2, own[~(errors <= slack)]] = np.nan
                slacks[w] = 2 * slack
        return out, slacks


def _moves(starts: Ints, stops: Ints) -> tuple[tuple[Ints, Singles, Ints, Bools], Ints]:
    """Rows, weights, bounds and fresh, as `kernels.sieve` wants them, and the roundings since it was fresh.

    The products are never above twice the highest sum of squares of a window, and are rounded once for every EIGHT
    rows. These are rounded among themselves, at most EIGHT times: all rows that came, and all that went, are those of
    some of the windows, `cover` of them. What follows is rounded as often again.
    """
    rows: list[Ints] = []
    weights: list[Ints] = []
    bounds, fresh, roundings = [0], list[bool](), list[int]()
    start, stop, edge, cover, eights = 0, 0, 0, 0, 0
    for next_start, next_stop in zip(starts, stops, strict=True):
        anew = next_start - start + next_stop - stop >= next_stop - next_start
        leaving, entering = np.arange(start, next_start), np.arange(next_start if anew else stop, next_stop)
        leaving = leaving[:0] if anew else leaving
        n = len(leaving) + len(entering)
        rows += [leaving, entering, np.zeros(-n % EIGHT, np.int64)]
        weights += [np.repeat([-1, 1, 0], [len(part) for part in rows[-3:]])]
        bounds.append(bounds[-1] + len(weights[-1]))
        fresh.append(anew)
        if anew:
            edge, cover, eights = next_stop, 1, 0
        elif next_start > edge:
            edge, cover = stop, cover + 1
        eights += len(weights[-1]) // EIGHT
        roundings.append(eights + EIGHT * (cover + 1) + EIGHT)
        start, stop = next_start, next_stop
    arrays = np.concatenate(rows), np.concatenate(weights).astype(np.float32), np.array(bounds), np.array(fresh)
    return arrays, np.array(roundings)


def _aligned(shape: tuple[int, ...], kind: type) -> Any:
    """An array, not filled, that begins with a line of the cache."""
    n = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.empty(n + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n].view(kind).reshape(shape)


def _known(part: Floats, starts: Ints, stops: Ints) -> Ints:
    """How many returns there are in each of the windows, (n_windows, n_columns)."""
    bounds = np.unique(np.concatenate([starts, stops[:-1]]))
    parts = np.add.reduceat(np.isfinite(part).view(np.uint8), bounds, axis=0, dtype=np.int32)
    known = np.concatenate([np.zeros_like(parts[:1]), np.cumsum(parts, axis=0, dtype=np.int32)])
    places = np.append(bounds, stops[-1])
    found: Ints = known[np.searchsorted(places, stops)] - known[np.searchsorted(places, starts)]
    return found


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
