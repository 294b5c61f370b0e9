"""A window that moves over many columns: the products of all pairs, and from these each one's nearest others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from nexus.maths import correlation_kernels as kernels
from nexus.maths.correlation_kernels import NOBODY, TILE, Keys
from nexus.maths.types import Floats, Ints

Result = TypeVar("Result")

ROUNDING = 4 * 2.0**-53
"""Error of a sum of n products, as a share of n times the sum of their sizes: four times what one sum can have."""
HARD = 0.1 * kernels.UNIT
"""Error from which on a column's correlations are told one by one."""
SLACK = 3.0
"""How far below the k-th size that is foretold a candidate may be, in standard errors of that."""
PROBED = 8
"""Groups of columns from which on one is looked at first, to see how the correlations of all have moved."""
ROOM = 4
"""Candidates of a column for which there is room, in k."""


class Nearest(NamedTuple):
    """(n_nodes, k) each, by size; src is -1 where there is nobody left."""

    src: Ints
    dst: Ints
    corr: Floats


@dataclass(frozen=True)
class Threads:
    """Hands a kernel's work out in parts."""

    n: int
    pool: ThreadPoolExecutor

    def share(self, work: Callable[[int, slice], Result], length: int) -> list[Result]:
        """What `work(n, part)` gives for the n-th of as many parts of `length` as there are threads."""
        edges = [length * part // self.n for part in range(self.n + 1)]
        slices = [slice(start, stop) for start, stop in pairwise(edges)]
        return list(self.pool.map(work, range(self.n), slices))


@dataclass(frozen=True)
class _Level:
    """What the columns are in the window of rows start to stop, (n_tiles * TILE,) each.

    A plain column has all its values; an odd one, (g,), lacks some or is hard to tell from the products.

    inverse : 1 / norm, NaN for all but the plain ones; errors : of the correlation of two columns, as the sum of theirs
    odd_of : which odd one a column is, -1 none
    totals : (3, n_tiles * TILE) numbers, sums and sums of squares; noise : error of the latter
    """

    start: int
    stop: int
    means: Floats
    sums: Floats
    inverse: Floats
    errors: Floats
    odd: Ints
    odd_of: Ints
    totals: Floats
    noise: Floats


class Windows:
    """Some columns of some rows, through which a window moves forwards.

    returns : (n_rows, n_columns), NaN where there is none; names : (m,) the columns that are wanted at all
    head : rows of the first window, by whose mean a column is centred: later ones must not matter
    """

    def __init__(self, returns: Floats, names: Ints, head: int, k: int, least: int, threads: Threads) -> None:
        self._names, self._k, self._least, self._threads = names, k, least, threads
        tiles, n_rows = -(-len(names) // TILE), len(returns)
        self._x = np.zeros((tiles, n_rows * TILE))
        self._known = np.zeros((tiles, n_rows * TILE), np.bool_)
        self._raw = np.full((tiles * TILE, n_rows), np.nan)
        self._pairs = np.stack(np.triu_indices(tiles), axis=1).astype(np.int64)
        self._products = np.empty((len(self._pairs), TILE * TILE))
        self._at: tuple[int, int] | None = None  # the window that the products are of
        self._seen = np.zeros(tiles * TILE)  # sum of the squares that went into the products
        self._steps = 0
        self._turn = 0
        self._candidates = np.empty((threads.n, tiles * TILE, ROOM * k + 1), np.uint64)
        self._counts = np.empty((threads.n, tiles * TILE), np.int32)
        threads.share(lambda _, part: self._lay_out(returns, head, part), tiles)

    def _lay_out(self, returns: Floats, head: int, tiles: slice) -> None:
        span = slice(tiles.start * TILE, tiles.stop * TILE)
        kernels.lay_out(returns, self._names[span], head, self._x[tiles], self._known[tiles], self._raw[span])

    def nearest(self, start: int, stop: int, nodes: Ints, recent: Floats) -> Nearest:
        """Of the window of rows start to stop, which lies after the last one.

        nodes : (n,) places among the names
        recent : (2, m) what is remembered of the last window to save time, inf at first; written anew
        """
        moves = self._moves(start, stop)
        level = self._level(start, stop, nodes)
        padded = np.full((2, len(self._seen)), np.inf)
        padded[:, : recent.shape[1]] = recent
        probed, floors = self._floors(moves, level, nodes, padded)
        self._counts[:] = 0
        self._threads.share(
            lambda thread, part: self._sweep(moves, probed, level, floors, thread, part), len(self._pairs)
        )
        odd_keys = self._odd_keys(level, nodes)
        shape = (len(nodes), self._k)
        out = Nearest(np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape))
        self._threads.share(
            lambda _, part: self._choose(level, odd_keys, nodes[part], floors, padded, out, part), len(nodes)
        )
        recent[:, nodes] = padded[:, nodes]
        return out

    def _moves(self, start: int, stop: int) -> Ints:
        """Rows to add and to take away, as `kernels.sweep` wants them; all anew where that is not more."""
        x, known = self._x, self._known
        if self._at is None or start - self._at[0] + stop - self._at[1] >= stop - start:
            moves = [start, stop, -1, -1]
            self._seen, self._steps = kernels.add_up(x, known, start, stop)[2], stop - start
        else:
            moves = [self._at[1], stop, self._at[0], start]
            self._seen += kernels.add_up(x, known, *moves[:2])[2] + kernels.add_up(x, known, *moves[2:])[2]
            self._steps += start - self._at[0] + stop - self._at[1]
        self._at = start, stop
        return np.array(moves)

    def _level(self, start: int, stop: int, nodes: Ints) -> _Level:
        totals = kernels.add_up(self._x, self._known, start, stop)
        counts, sums, squares = totals
        n = stop - start
        with np.errstate(all="ignore"):  # padding and odd ones
            spread = squares - sums * sums / n
            noise = ROUNDING * (self._steps + n) * self._seen
            errors = noise / spread
            plain = np.zeros(len(sums), np.bool_)
            plain[nodes] = ((counts == n) & (spread > 0) & (errors <= HARD))[nodes]
            inverse = np.where(plain, 1 / np.sqrt(spread), np.nan)
        odd = nodes[~plain[nodes]]
        odd = odd[~kernels.constant(self._raw, odd, start, stop)]
        odd_of = np.full(len(sums), -1)
        odd_of[odd] = np.arange(len(odd))
        return _Level(start, stop, sums / n, sums, inverse, errors, odd, odd_of, totals, noise)

    def _floors(self, moves: Ints, level: _Level, nodes: Ints, recent: Floats) -> tuple[int, Floats]:
        """What a candidate must reach: about the k-th size, as the last one and likeness to all, then and now, tell it.

        How they tell it is seen in one group of columns, each window another, which is looked at first; -1 for none.
        """
        before, now = recent[1].copy(), self._likeness(level)
        recent[1] = now
        floors = np.full(recent.shape[1], np.inf)
        known = nodes[np.isfinite(recent[0] + before + now)[nodes]]
        groups = np.flatnonzero(np.bincount(known // TILE) >= TILE // 2)
        if len(groups) < PROBED:
            return -1, floors
        self._turn += 1
        group = int(groups[self._turn % len(groups)])
        told = np.stack([np.ones(len(now)), recent[0], before, now], axis=1)
        picks = known[known // TILE == group]
        sizes = self._probe(moves, group, level)[picks - group * TILE]
        weights = np.linalg.lstsq(told[picks], sizes)[0]
        unlike = np.std(sizes - told[picks] @ weights)
        floors[known] = np.maximum(told[known] @ weights - SLACK * unlike, 0.0)
        return group, floors

    def _likeness(self, level: _Level) -> Floats:
        """Product of each plain column, by its norm, with the sum of them all, (n_tiles * TILE,); NaN for others."""
        x, scale = self._x, level.inverse.reshape(-1, TILE)
        sums = self._threads.share(
            lambda _, part: kernels.together(x[part], scale[part], level.start, level.stop), len(x)
        )
        index = np.sum(sums, axis=0)
        index -= index.mean()
        out = np.empty(scale.shape)
        self._threads.share(
            lambda _, part: kernels.likeness(x[part], scale[part], level.start, index, out[part]), len(x)
        )
        return out.reshape(-1)

    def _probe(self, moves: Ints, group: int, level: _Level) -> Floats:
        """The k-th size of the columns of a group, (TILE,), roughly; its products are moved."""
        sizes = np.empty((TILE, len(level.inverse)))
        others = np.arange(len(self._x))
        self._threads.share(
            lambda _, part: kernels.probe(
                group, others[part], self._x, self._products, moves, level.means, level.sums, level.inverse, sizes
            ),
            len(others),
        )
        return kernels.floors_of(sizes, self._k)

    def _sweep(self, moves: Ints, probed: int, level: _Level, floors: Floats, thread: int, part: slice) -> None:
        kernels.sweep(
            self._pairs[part], probed, self._x, self._products[part], moves,
            level.means, level.sums, level.inverse, level.errors, floors,
            self._candidates[thread], self._counts[thread],
        )  # fmt: skip

    def _odd_keys(self, level: _Level, nodes: Ints) -> Keys:
        keys = np.full((len(level.odd), len(level.odd_of)), NOBODY)
        if len(level.odd):
            lacks = np.zeros((len(level.odd), 3, len(level.odd_of)))

            def tell(_: int, part: slice) -> None:
                kernels.odd_rows(
                    level.odd[part], level.odd_of, nodes, self._products, level.totals, lacks[part], lacks,
                    level.noise, self._raw, level.start, level.stop, self._least, keys[part],
                )  # fmt: skip

            self._threads.share(
                lambda _, part: kernels.left_out(
                    self._x, self._known, self._raw, level.odd[part], level.start, level.stop, lacks[part]
                ),
                len(level.odd),
            )
            self._threads.share(tell, len(level.odd))
        return keys

    def _choose(
        self, level: _Level, odd_keys: Keys, nodes: Ints, floors: Floats, recent: Floats, out: Nearest, part: slice
    ) -> None:
        keys = np.empty((len(nodes), 2 * ROOM * self._k), np.uint64)
        short = np.empty(len(nodes), np.bool_)
        window = (self._raw, level.start, level.stop, self._least)
        longest = kernels.choose(
            nodes, self._k, floors, self._candidates, self._counts, level.odd, level.odd_of, odd_keys,
            *window, keys, short,
        )  # fmt: skip
        while short.any():
            needed = kernels.look_again(
                nodes, short, self._k, self._products, level.means, level.sums, level.inverse, level.errors,
                level.odd, level.odd_of, odd_keys, *window, keys,
            )  # fmt: skip
            longest = max(longest, min(needed, keys.shape[1]))
            if needed <= keys.shape[1]:
                break
            wider = np.full((len(nodes), needed), NOBODY)
            wider[:, : keys.shape[1]] = keys
            keys = wider
        keys[:, :longest].sort(axis=1)
        src, dst, corr = out.src[part], out.dst[part], out.corr[part]
        kernels.read_off(keys, longest, nodes, self._names, self._k, src, dst, corr, recent[0])
