"""Compiled kernels of the correlations of many columns: a sieve in single precision, a referee in double.

The sieve moves the products of all columns with the window and says, but for a known error, who may be among the
nearest. The referee tells these correlations from the two columns alone, so that a result does not depend on what was
asked before. One file, as numba caches by file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.maths.compiled import fused_kernel, kernel, summing_kernel
from nexus.maths.correlation_columns import Singles
from nexus.maths.types import Bools, Floats, Ints

SQUARE = 64
"""Columns whose products with all stay in the nearer cache."""
EIGHT = 8
"""Rows by which the products move at once."""
FINE = 1e-6
"""More than what is lost by telling a size in single precision."""
UNITS = 1_000_000_000
"""A correlation is told in units of 1e-9."""
NOBODY = np.uint64(2**64 - 1)
"""Above every key."""
NONE = 2.0
"""Where there is no correlation."""
SURE = 0.25
"""Share of a column's sum of squares which the rows of a pair must hold, or rounding could tell."""
UNFIT, LACKS, WHOLE = 0, 1, 2
"""A column in a window: no node, or constant; a node that lacks values; one that has them all."""

Small = NDArray[np.int32]
Keys = NDArray[np.uint64]


@kernel
def _dot(x: Floats, y: Floats) -> float:
    """Summed in the same order everywhere."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for t in range(0, len(x) - 3, 4):
        a += x[t] * y[t]
        b += x[t + 1] * y[t + 1]
        c += x[t + 2] * y[t + 2]
        d += x[t + 3] * y[t + 3]
    for t in range(len(x) // 4 * 4, len(x)):
        a += x[t] * y[t]
    return (a + b) + (c + d)


@summing_kernel
def _quick_dot(x: Floats, y: Floats) -> float:
    total = 0.0
    for t in range(len(x)):
        total += x[t] * y[t]
    return total


@summing_kernel
def _quick_dots(x: Floats, a: Floats, b: Floats, c: Floats, d: Floats) -> tuple[float, float, float, float]:
    """With four others, so that four lines of memory are on their way at once."""
    xa, xb, xc, xd = 0.0, 0.0, 0.0, 0.0
    for t in range(len(x)):
        xa += x[t] * a[t]
        xb += x[t] * b[t]
        xc += x[t] * c[t]
        xd += x[t] * d[t]
    return xa, xb, xc, xd


@kernel
def _standardise(values: Floats, out: Floats) -> bool:
    """Write what is over the mean, by its norm, at the beginning of `out`; False without variance."""
    first, own = values[0], out[: len(values)]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for t in range(0, len(values) - 3, 4):
        a += values[t] - first
        b += values[t + 1] - first
        c += values[t + 2] - first
        d += values[t + 3] - first
    for t in range(len(values) // 4 * 4, len(values)):
        a += values[t] - first
    mean = ((a + b) + (c + d)) / len(values)
    for t in range(len(values)):
        own[t] = (values[t] - first) - mean
    norm = np.sqrt(_dot(own, own))
    if not 0.0 < norm < np.inf:
        return False
    for t in range(len(values)):
        own[t] *= 1.0 / norm
    return True


@kernel
def describe(raw: Floats, start: int, stop: int, nodes: Bools, kinds: Ints, z: Floats) -> None:
    """What the columns of a window are.

    raw : (n, n_rows), of which start to stop; nodes : (n,); kinds : (n,), written
    z : (n, length or more), written: what is over the mean by its norm, 0 where there is no value
    """
    length, room, over = stop - start, np.empty(stop - start), np.empty(stop - start)
    z[:, length:] = 0.0
    for j in range(len(raw)):
        kinds[j], n, values = UNFIT, 0, raw[j, start:stop]
        if nodes[j]:
            for value in values:
                n += not np.isnan(value)
        if 0 < n < length:
            values, n = room, 0
            for value in raw[j, start:stop]:
                values[n] = value
                n += not np.isnan(value)
        out = z[j] if n == length else over
        if n and _standardise(values[:n], out):
            kinds[j] = WHOLE if n == length else LACKS
        if kinds[j] != WHOLE:
            z[j], n = 0.0, 0
        if kinds[j] == LACKS:
            for t in range(length):
                if not np.isnan(raw[j, start + t]):
                    z[j, t] = over[n]
                    n += 1


@kernel
def _pairwise(x: Floats, y: Floats, least: int, room: Floats) -> float:
    """Correlation over the rows where both have a value, or NONE; room : (4, length), to work in."""
    n = 0
    for t in range(len(x)):
        room[0, n], room[1, n] = x[t], y[t]
        n += not (np.isnan(x[t]) or np.isnan(y[t]))
    if n < least or not _standardise(room[0, :n], room[2]) or not _standardise(room[1, :n], room[3]):
        return NONE
    return _dot(room[2, :n], room[3, :n])


@summing_kernel
def _sums(known: Floats, x: Floats, y: Floats) -> tuple[float, float, float]:
    """Products of x and y, and sum and squares of y where x is known."""
    xy, total, squares = 0.0, 0.0, 0.0
    for t in range(len(x)):
        xy += x[t] * y[t]
        total += known[t] * y[t]
        squares += known[t] * y[t] * y[t]
    return xy, total, squares


@kernel
def tell(odd: Ints, known: Floats, kinds: Ints, z: Floats, least: int, out: Floats) -> None:
    """Correlations of some columns that lack values with all: NONE where there is none, NaN where the sums are unsure.

    odd : (g,) columns; known : (g, width of z) 1 where they have a value, else 0; kinds, z : as of `describe`
    out : (g, n), written
    """
    out[:] = NONE
    for g in range(len(odd)):
        own = known[g].sum()
        for j in range(len(z)):
            if kinds[j] == UNFIT:
                continue
            n, x, xx = own, 0.0, 1.0
            xy, y, yy = _sums(known[g], z[odd[g]], z[j])
            if kinds[j] == LACKS:
                h = np.searchsorted(odd, j)
                n = _quick_dot(known[g], known[h])
                _, x, xx = _sums(known[h], z[j], z[odd[g]])
            if n >= least:
                xx, yy = xx - x * x / n, yy - y * y / n
                out[g, j] = (xy - x * y / n) / np.sqrt(xx * yy) if min(xx, yy) > SURE else np.nan


@kernel
def _four(line: Singles, column: int, weight: float) -> tuple[float, float, float, float]:
    a, b, c, d = line[column], line[column + 1], line[column + 2], line[column + 3]
    return weight * a, weight * b, weight * c, weight * d


@fused_kernel
def _move(products: Singles, i: int, x: Singles, column: int, rows: Ints, weights: Singles) -> None:
    """Add the weighted products of four columns with all over some rows; eight rows at once, to fill the registers."""
    p, q, r, s = products[i], products[i + 1], products[i + 2], products[i + 3]
    for at in range(0, len(rows), EIGHT):
        x0, x1, x2, x3 = x[rows[at]], x[rows[at + 1]], x[rows[at + 2]], x[rows[at + 3]]
        x4, x5, x6, x7 = x[rows[at + 4]], x[rows[at + 5]], x[rows[at + 6]], x[rows[at + 7]]
        a0, b0, c0, d0 = _four(x0, column, weights[at])
        a1, b1, c1, d1 = _four(x1, column, weights[at + 1])
        a2, b2, c2, d2 = _four(x2, column, weights[at + 2])
        a3, b3, c3, d3 = _four(x3, column, weights[at + 3])
        a4, b4, c4, d4 = _four(x4, column, weights[at + 4])
        a5, b5, c5, d5 = _four(x5, column, weights[at + 5])
        a6, b6, c6, d6 = _four(x6, column, weights[at + 6])
        a7, b7, c7, d7 = _four(x7, column, weights[at + 7])
        for j in range(len(p)):
            y0, y1, y2, y3, y4, y5, y6, y7 = x0[j], x1[j], x2[j], x3[j], x4[j], x5[j], x6[j], x7[j]
            p[j] += a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3 + a4 * y4 + a5 * y5 + a6 * y6 + a7 * y7
            q[j] += b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3 + b4 * y4 + b5 * y5 + b6 * y6 + b7 * y7
            r[j] += c0 * y0 + c1 * y1 + c2 * y2 + c3 * y3 + c4 * y4 + c5 * y5 + c6 * y6 + c7 * y7
            s[j] += d0 * y0 + d1 * y1 + d2 * y2 + d3 * y3 + d4 * y4 + d5 * y5 + d6 * y6 + d7 * y7


@kernel
def _reached(values: Singles, k: int) -> np.float32:
    """What k of the values reach, and few more; 0 where fewer than k are positive. The values are below 1, or NaN."""
    low, high = np.float32(0.0), np.float32(1.0)
    for _ in range(12):
        middle = np.float32(0.5) * (low + high)
        n = np.int32(0)
        for i in range(len(values)):
            n = np.int32(n + np.int32(values[i] >= middle))
        if n >= k:
            low = middle
        else:
            high = middle
        if k <= n <= k + k // 16:
            break
    return low


@kernel
def _sift(
    sizes: Singles, slack: float, k: int, best: Singles, reach: Bools, words: Ints, found: Small
) -> tuple[int, np.float32]:
    """How many of the sizes may be among the k largest, and few others, by which floor; their places are in `found`.

    Each size is known to within the slack; NaN: not known.
    best : (n_lanes,), reach : (n,), words : (n,), to work in; found : (n + 1,), written
    """
    best[:] = -1.0
    for start in range(0, len(sizes), len(best)):
        near = sizes[start : start + len(best)]
        for lane in range(len(best)):
            best[lane] = near[lane] if near[lane] > best[lane] else best[lane]
    floor = np.float32(_reached(best, k) - 2 * slack)  # what the best of k lanes reach, k sizes do
    for j in range(len(sizes)):
        reach[j] = not sizes[j] < floor
    eights, n_words, n = reach.view(np.uint64), 0, 0
    for word in range(len(eights)):  # without a branch, as which are is hard to foretell
        words[n_words] = word
        n_words += eights[word] != np.uint64(0)
    for word in words[:n_words]:
        for j in range(word * 8, word * 8 + 8):
            found[n] = j
            n += reach[j]
    if k < n <= len(best):  # and what the best of them reach
        for c in range(n):
            best[c] = sizes[found[c]]
        floor, kept = np.float32(_reached(best[:n], k) - 2 * slack), 0
        for c in range(n):
            found[kept] = found[c]
            kept += not best[c] < floor
        n = kept
    return n, floor


@kernel
def sieve(
    first: int,
    stop: int,
    x: Singles,
    rows: Ints,
    weights: Singles,
    bounds: Ints,
    fresh: Bools,
    figures: Singles,
    slacks: Floats,
    whole: Bools,
    k: int,
    n_lanes: int,
    products: Singles,
    floors: Singles,
) -> tuple[Small, Ints, Ints]:
    """Who may be among the k nearest of columns first to stop in each of some windows, of those that are whole.

    x : as of `correlation_columns.lay_out`, but (n_rows, width), a multiple of n_lanes, itself one of 8
    rows, weights : that come, 1, or go, -1, with window w from bounds[w] to bounds[w + 1], a multiple of EIGHT
    fresh : (n_windows,) whether the products start from 0; products : (SQUARE, width), to work in
    figures : (n_windows, 3, width) sums, means and 1 / norms of what is whole, NaN for what is hard to tell, else 0
    slacks : (n_windows,) error of a correlation; whole : (n_windows, n)
    floors : (n_windows, n), written: what the sizes of those found reach
    Returns columns one after the other, and where these begin and how many they are, (n_windows, stop - first) each.
    """
    shape, width = (len(fresh), stop - first), x.shape[1]
    starts, counts, n = np.zeros(shape, np.int64), np.zeros(shape, np.int64), 0
    found = np.empty(width + 1 + 2 * k * shape[0] * shape[1], np.int32)
    sizes, best, reach = np.empty(width, np.float32), np.empty(n_lanes, np.float32), np.empty(width, np.bool_)
    words = np.empty(width, np.int64)
    for square in range(first, stop, SQUARE):
        for w in range(len(fresh)):
            if fresh[w]:
                products[:] = 0.0
            own = slice(bounds[w], bounds[w + 1])
            for i in range(0, SQUARE, 4):
                _move(products, i, x, square + i, rows[own], weights[own])
            sums, means, inverse = figures[w, 0], figures[w, 1], figures[w, 2]
            for i in range(square, min(square + SQUARE, stop)):
                if whole[w, i]:
                    line, total, scale = products[i - square], sums[i], inverse[i]
                    for j in range(width):
                        sizes[j] = abs(line[j] - total * means[j]) * (scale * inverse[j])
                    sizes[i] = -1.0
                    if n + width >= len(found):
                        found = np.concatenate((found, np.empty_like(found)))
                    count, floors[w, i] = _sift(sizes, slacks[w], k, best, reach, words, found[n:])
                    starts[w, i - first], counts[w, i - first] = n, count
                    n += count
    return found[:n], starts, counts


@kernel
def _key(corr: float, column: int) -> np.uint64:
    """32 bits of how far the size is below 1, in units, 31 of the column, 1 of the sign: sorts by size, then column."""
    units = np.int64(np.rint(min(abs(corr), 1.0) * UNITS))
    return np.uint64(UNITS - units) << np.uint64(32) | np.uint64(2 * column) | np.uint64((corr < 0.0) & (units > 0))


@kernel
def judge(
    first: int,
    stop: int,
    found: Small,
    starts: Ints,
    counts: Ints,
    floors: Singles,
    kinds: Ints,
    odd: Ints,
    told: Floats,
    z: Floats,
    raw: Floats,
    start: int,
    length: int,
    least: int,
    k: int,
    n_lanes: int,
    keys: Keys,
) -> None:
    """The keys of the nearest others of columns first to stop in a window, in any order, then NOBODY.

    found, starts, counts, floors : as of `sieve`, in the window; kinds, z : as of `describe`; told : as of `tell`
    raw : (n, n_rows), of which `length` from start; keys : (stop - first, room), written; room is more than k
    """
    width = len(kinds)
    sizes, best, reach = np.full(width, np.float32(-1.0)), np.empty(n_lanes, np.float32), np.empty(width, np.bool_)
    words, room, odd_of = np.empty(width, np.int64), np.empty((4, length)), np.zeros(width, np.int64)
    near, corr = np.empty(width + len(odd) + 3, np.int32), np.empty(width + len(odd) + 3)
    odd_of[odd] = np.arange(len(odd))
    for i in range(first, stop):
        line, count, n = keys[i - first], 0, 0
        if kinds[i] == LACKS:
            for j in range(len(z)):
                sizes[j] = -1.0 if told[odd_of[i], j] == NONE or j == i else abs(told[odd_of[i], j])
            count, _ = _sift(sizes, FINE, k, best, reach, words, near)
        elif kinds[i] == WHOLE:
            for other in found[starts[i - first] : starts[i - first] + counts[i - first]]:
                near[count] = other
                count += kinds[other] == WHOLE and other != i
            for g in range(len(odd)):
                near[count] = odd[g]
                count += told[g, i] != NONE and not abs(told[g, i]) < floors[i] - FINE
        near[count : count + 3] = i  # to fill the last four
        for c in range(0, count, 4):
            j0, j1, j2, j3 = np.int64(near[c]), np.int64(near[c + 1]), np.int64(near[c + 2]), np.int64(near[c + 3])
            corr[c], corr[c + 1], corr[c + 2], corr[c + 3] = _quick_dots(z[i], z[j0], z[j1], z[j2], z[j3])
        for c in range(count):
            j = int(near[c])
            if kinds[i] == LACKS or kinds[j] == LACKS:
                corr[c] = told[odd_of[i], j] if kinds[i] == LACKS else told[odd_of[j], i]
        for c in range(count):
            if not abs(corr[c] * UNITS - np.rint(corr[c] * UNITS)) < 0.499:  # rounding hangs on how it was summed
                j = int(near[c])
                if kinds[i] == LACKS or kinds[j] == LACKS:
                    corr[c] = _pairwise(raw[i, start : start + length], raw[j, start : start + length], least, room)
                else:
                    corr[c] = _dot(z[i], z[j])
        for c in range(count):
            j = int(near[c])
            if corr[c] != NONE:
                if n == len(line):
                    line.sort()
                    n = k
                line[n] = _key(corr[c], j)
                n += 1
        line[n:] = NOBODY


@kernel
def read(keys: Keys, k: int, names: Ints) -> tuple[Ints, Ints, Floats]:
    """Source, destination and correlation of the k first keys of each line."""
    src, dst, corr = np.empty(len(keys) * k, np.int64), np.empty(len(keys) * k, np.int64), np.empty(len(keys) * k)
    n = 0
    for row in range(len(keys)):
        for key in keys[row, :k]:
            if key == NOBODY:
                break
            size = (UNITS - np.int64(key >> np.uint64(32))) / UNITS
            src[n], dst[n] = names[row], names[np.int64((key & np.uint64(0xFFFFFFFF)) >> np.uint64(1))]
            corr[n] = -size if key & np.uint64(1) else size
            n += 1
    return src[:n], dst[:n], corr[:n]
