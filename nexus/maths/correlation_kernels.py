"""Compiled kernels of the correlations of many columns, in square tiles; one file, as numba caches by file.

A panel is (n_tiles, n_rows * TILE): the columns in groups of TILE, each group row by row. Products of columns are kept
as (n_pairs, TILE * TILE), one tile for each pair of groups left <= right, in the order of `_place`.

A correlation is told in units of 1e-9. The tiles give it but for a known error; where that leaves the unit open,
`_exact` decides from the two columns alone, so that the result does not depend on how the sums came about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.maths.compiled import fused_kernel, kernel
from nexus.maths.types import Bools, Floats, Ints

TILE = 64
NEAR = 32
"""Rows of a group of columns that stay in the nearest cache."""
UNIT = 1e-9
UNITS = 1_000_000_000
NONE = -(1 << 62)
"""In units: there is no correlation."""
NOBODY = np.uint64(2**64 - 1)
"""The key of no column; a key has 32 bits of how far the size is below 1, 31 of the column and 1 of the sign."""
OPEN = np.uint64(1 << 63)
"""Bit of a key whose last unit is open."""
COLUMNS = np.uint64(0xFFFFFFFE)
"""Bits of a key that hold the column."""
BINS = 2048
"""Of sizes, where a floor is looked for."""
UNSURE = 0.25
"""Units of error from which on a correlation is not even tried from the tiles."""

Keys = NDArray[np.uint64]
Small = NDArray[np.int32]


@kernel
def lay_out(returns: Floats, columns: Ints, head: int, x: Floats, known: Bools, raw: Floats) -> None:
    """Fill the panels of some columns, from one tile on.

    returns : (n_rows, n_columns); columns : (n,) which of them; head : rows whose mean is taken off
    x, known : panels, come filled with 0; raw : (n_tiles * TILE, n_rows), columns as they are
    """
    n_rows = len(returns)
    for place in range(len(columns)):
        own, own_known, there = x[place // TILE], known[place // TILE], raw[place]
        first, total, count = 0.0, 0.0, 0
        for t in range(n_rows):
            there[t] = returns[t, columns[place]]
            if t < head and not np.isnan(there[t]):
                first = there[t] if count == 0 else first
                total += there[t] - first
                count += 1
        centre = first + total / max(count, 1)
        for t in range(n_rows):
            if not np.isnan(there[t]):
                own[t * TILE + place % TILE] = there[t] - centre
                own_known[t * TILE + place % TILE] = True


@kernel
def add_up(x: Floats, known: Bools, start: int, stop: int) -> Floats:
    """Numbers of values, sums and sums of squares of each column in rows start to stop, (3, n_tiles * TILE)."""
    out = np.zeros((3, len(x) * TILE))
    for tile in range(len(x)):
        span = slice(tile * TILE, (tile + 1) * TILE)
        number, total, squares = out[0, span], out[1, span], out[2, span]
        for t in range(start, stop):
            values, there = x[tile, t * TILE : (t + 1) * TILE], known[tile, t * TILE : (t + 1) * TILE]
            for j in range(TILE):
                number[j] += there[j]
                total[j] += values[j]
                squares[j] += values[j] * values[j]
    return out


@kernel
def _place(left: int, right: int, n_tiles: int) -> int:
    return left * n_tiles - left * (left - 1) // 2 + right - left


@fused_kernel
def _accumulate(products: Floats, left: Floats, right: Floats, start: int, stop: int, sign: float) -> None:
    """Add sign times the products of rows start to stop of two groups; four by four, so that registers are used."""
    for first in range(start, stop, NEAR):
        last = min(first + NEAR, stop)
        fours = first + (last - first) // 4 * 4
        for i in range(0, TILE, 4):
            out = products[i * TILE : (i + 4) * TILE]
            for t in range(first, fours, 4):
                a, b = left[t * TILE + i : (t + 3) * TILE + i + 4], right[t * TILE : (t + 4) * TILE]
                a_too, a_three, a_four = a[TILE:], a[2 * TILE :], a[3 * TILE :]
                a00, a01, a02, a03 = sign * a[0], sign * a[1], sign * a[2], sign * a[3]
                a10, a11, a12, a13 = sign * a_too[0], sign * a_too[1], sign * a_too[2], sign * a_too[3]
                a20, a21, a22, a23 = sign * a_three[0], sign * a_three[1], sign * a_three[2], sign * a_three[3]
                a30, a31, a32, a33 = sign * a_four[0], sign * a_four[1], sign * a_four[2], sign * a_four[3]
                for j in range(TILE):
                    b0, b1, b2, b3 = b[j], b[TILE + j], b[2 * TILE + j], b[3 * TILE + j]
                    out[j] = out[j] + a00 * b0 + a10 * b1 + a20 * b2 + a30 * b3
                    out[TILE + j] = out[TILE + j] + a01 * b0 + a11 * b1 + a21 * b2 + a31 * b3
                    out[2 * TILE + j] = out[2 * TILE + j] + a02 * b0 + a12 * b1 + a22 * b2 + a32 * b3
                    out[3 * TILE + j] = out[3 * TILE + j] + a03 * b0 + a13 * b1 + a23 * b2 + a33 * b3
            for t in range(fours, last):
                b = right[t * TILE : (t + 1) * TILE]
                for row in range(4):
                    line, a0 = out[row * TILE : (row + 1) * TILE], sign * left[t * TILE + i + row]
                    for j in range(TILE):
                        line[j] += a0 * b[j]


@kernel
def _push(candidates: Keys, counts: Small, row: int, key: np.uint64, keep: bool) -> None:
    """Append a key if it is to be kept; without a branch, as which are is hard to foretell."""
    at = counts[row]
    candidates[row, min(at, candidates.shape[1] - 1)] = key  # the last place is for what does not fit
    counts[row] = at + keep


@kernel
def _move(tile: Floats, left: Floats, right: Floats, moves: Ints) -> None:
    """Products of two groups, to the next window; moves as of `sweep`."""
    if moves[2] < 0:
        tile[:] = 0.0
    else:
        _accumulate(tile, left, right, moves[2], moves[3], -1.0)
    _accumulate(tile, left, right, moves[0], moves[1], 1.0)


@kernel
def sweep(
    pairs: Ints,
    probed: int,
    x: Floats,
    products: Floats,
    moves: Ints,
    means: Floats,
    sums: Floats,
    inverse: Floats,
    errors: Floats,
    floors: Floats,
    candidates: Keys,
    counts: Small,
) -> None:
    """Move some tiles to the next window, and keep each column's correlations that reach its floor.

    pairs : (n, 2) left and right groups; products : (n, TILE * TILE), those of these pairs
    probed : the group whose products are moved already, -1 none
    moves : start and stop of the rows to add, start and stop of those to take away; -1: the products start from 0
    means, sums : of the window; inverse : 1 / norm of what the window holds less its mean, NaN: leave the column out
    errors : of a correlation, as the sum of its columns'
    candidates, counts : keys, some `OPEN`, (n_tiles * TILE, room + 1) and (n_tiles * TILE,); counts may exceed the room
    """
    found, reach, hits = np.empty(TILE), np.empty(TILE, np.uint8), np.empty(TILE + 8, np.int64)
    words = reach.view(np.uint64)
    for p in range(len(pairs)):
        left, right = pairs[p]
        tile = products[p]
        if left != probed and right != probed:
            _move(tile, x[left], x[right], moves)
        span = slice(right * TILE, (right + 1) * TILE)
        sums_right, inverse_right, floors_right = sums[span], inverse[span], floors[span]
        for i in range(TILE):
            row = left * TILE + i
            mean, scale, floor = means[row], inverse[row], floors[row]
            if np.isnan(scale):
                continue
            line = tile[i * TILE : (i + 1) * TILE]
            for j in range(TILE):
                found[j] = (line[j] - mean * sums_right[j]) * (scale * inverse_right[j])
                reach[j] = (abs(found[j]) >= floor) | (abs(found[j]) >= floors_right[j])
            n = 0
            for word in range(len(words)):
                if words[word] != np.uint64(0):
                    for j in range(word * 8, word * 8 + 8):
                        hits[n] = j
                        n += int(reach[j])
            for hit in range(n):
                j = hits[hit]
                column = right * TILE + j
                if column > row:
                    size = abs(found[j])
                    key = _told(found[j], errors[row] + errors[column])
                    _push(candidates, counts, row, key | (np.uint64(column) << np.uint64(1)), size >= floor)
                    _push(candidates, counts, column, key | (np.uint64(row) << np.uint64(1)), size >= floors_right[j])


@kernel
def _told(value: float, error: float) -> np.uint64:
    """Key, but for the column, of a correlation that is known but for an error."""
    scaled = max(-1.0, min(1.0, value)) * UNITS
    nearest = np.rint(scaled)
    key = _key(np.int64(nearest), 0)
    return key if abs(scaled - nearest) + error * UNITS < 0.5 else key | OPEN


@kernel
def _key(units: np.int64, column: int | np.int64) -> np.uint64:
    short = np.uint64(UNITS - abs(units))
    return (short << np.uint64(32)) | (np.uint64(column) << np.uint64(1)) | np.uint64(units < 0)


@kernel
def _column(key: np.uint64) -> np.int64:
    return np.int64((key & np.uint64(0xFFFFFFFF)) >> np.uint64(1))


@kernel
def _size(key: np.uint64) -> np.int64:
    return np.int64(UNITS) - np.int64((key & ~OPEN) >> np.uint64(32))


@kernel
def _settled(key: np.uint64, raw: Floats, row: int, start: int, stop: int, least: int) -> np.uint64:
    """The key itself, told anew from the columns where it is open; NOBODY where they have no correlation."""
    if key & OPEN == np.uint64(0):
        return key
    column = _column(key)
    units = _exact(raw[row, start:stop], raw[column, start:stop], least)
    return NOBODY if units == NONE else _key(units, column)


@kernel
def _exact(x: Floats, y: Floats, least: int) -> np.int64:
    """Correlation of two columns in units, over the rows in which both have a value; NONE where there is none."""
    n, x_first, y_first, x_total, y_total = 0, 0.0, 0.0, 0.0, 0.0
    for t in range(len(x)):
        if not np.isnan(x[t]) and not np.isnan(y[t]):
            x_first, y_first = (x[t], y[t]) if n == 0 else (x_first, y_first)
            x_total += x[t] - x_first
            y_total += y[t] - y_first
            n += 1
    if n < least:
        return np.int64(NONE)
    x_mean, y_mean = x_total / n, y_total / n
    xx, yy, xy = 0.0, 0.0, 0.0
    for t in range(len(x)):
        if not np.isnan(x[t]) and not np.isnan(y[t]):
            x_own, y_own = (x[t] - x_first) - x_mean, (y[t] - y_first) - y_mean
            xx += x_own * x_own
            yy += y_own * y_own
            xy += x_own * y_own
    norms = np.sqrt(xx) * np.sqrt(yy)
    if not norms > 0.0 or not np.isfinite(norms) or not np.isfinite(xy):
        return np.int64(NONE)
    return np.int64(np.rint(max(-1.0, min(1.0, xy / norms)) * UNITS))


@kernel
def constant(raw: Floats, places: Ints, start: int, stop: int) -> Bools:
    """Whether each of some columns has only one value in rows start to stop, or none."""
    out = np.empty(len(places), np.bool_)
    for at in range(len(places)):
        low, high = np.inf, -np.inf
        for value in raw[places[at], start:stop]:
            if not np.isnan(value):
                low, high = min(low, value), max(high, value)
        out[at] = low >= high or low == np.inf
    return out


@kernel
def left_out(x: Floats, known: Bools, raw: Floats, odd: Ints, start: int, stop: int, out: Floats) -> None:
    """What each column has in the rows that an odd one lacks.

    odd : (g,) columns
    out : (g, 3, n_tiles * TILE), comes filled with 0: number of values, their sum, that of their squares
    """
    for g in range(len(odd)):
        numbers, sums, squares = out[g]
        for t in range(start, stop):
            if np.isnan(raw[odd[g], t]):
                for tile in range(len(x)):
                    values, there = x[tile][t * TILE : (t + 1) * TILE], known[tile][t * TILE : (t + 1) * TILE]
                    span = slice(tile * TILE, (tile + 1) * TILE)
                    number, total, total_too = numbers[span], sums[span], squares[span]
                    for j in range(TILE):
                        number[j] += there[j]
                        total[j] += values[j]
                        total_too[j] += values[j] * values[j]


@kernel
def _product(products: Floats, i: int, j: int, n_tiles: int) -> float:
    low, high = min(i, j), max(i, j)
    tile = products[_place(low // TILE, high // TILE, n_tiles)]
    return float(tile[(low % TILE) * TILE + high % TILE])


@kernel
def odd_rows(
    odd: Ints,
    odd_of: Ints,
    nodes: Ints,
    products: Floats,
    totals: Floats,
    own_lacks: Floats,
    lacks: Floats,
    noise: Floats,
    raw: Floats,
    start: int,
    stop: int,
    least: int,
    out: Keys,
) -> None:
    """Keys of the correlations of every node with the columns that lack values or are hard to tell.

    odd : (g,); odd_of : (n_tiles * TILE,) which odd one a column is, -1 none
    totals : (3, n_tiles * TILE) numbers, sums and sums of squares; noise : error of the squares
    lacks : `left_out` of all odd ones, own_lacks of these
    raw : (n_tiles * TILE, n_rows), start and stop of the window; out : (g, n_tiles * TILE), comes filled with NOBODY
    """
    n_tiles = len(odd_of) // TILE
    for g in range(len(odd)):
        i = odd[g]
        for j in nodes:
            h = odd_of[j]
            n = totals[0, j] - own_lacks[g, 0, j]
            if i == j or n < least:
                continue
            x, y = totals[1, i], totals[1, j] - own_lacks[g, 1, j]
            xx, yy = totals[2, i], totals[2, j] - own_lacks[g, 2, j]
            if h >= 0:
                x -= lacks[h, 1, i]
                xx -= lacks[h, 2, i]
            xx -= x * x / n
            yy -= y * y / n
            key = OPEN
            if xx > 0.0 and yy > 0.0:
                error = noise[i] / xx + noise[j] / yy
                if error < UNSURE * UNIT:
                    value = (_product(products, i, j, n_tiles) - x * y / n) / (np.sqrt(xx) * np.sqrt(yy))
                    key = _told(value, error)
            out[g, j] = _settled(key | (np.uint64(j) << np.uint64(1)), raw, i, start, stop, least)


@kernel
def choose(
    nodes: Ints,
    k: int,
    floors: Floats,
    candidates: Keys,
    counts: Small,
    odd: Ints,
    odd_of: Ints,
    odd_keys: Keys,
    raw: Floats,
    start: int,
    stop: int,
    least: int,
    keys: Keys,
    short: Bools,
) -> int:
    """Settled keys of each node's candidates, in any order, then NOBODY; how many the longest line has.

    candidates, counts : what each thread's `sweep` kept, (n_threads, n_tiles * TILE, room + 1)
    keys : (n_nodes, width), written; short : (n_nodes,), written: the k nearest are not surely among the candidates
    """
    longest = 0
    for at in range(len(nodes)):
        i = nodes[at]
        line = keys[at]
        n, good, whole = 0, 0, odd_of[i] < 0
        enough = int(np.ceil(min(floors[i], 2.0) * UNITS)) + 2
        for thread in range(len(candidates)):
            kept = candidates[thread, i, : counts[thread, i]]
            whole &= counts[thread, i] < candidates.shape[2] and len(kept) <= len(line) - n
            for key in kept[: len(line) - n]:
                line[n] = _settled(key, raw, i, start, stop, least)
                good += int(_size(line[n]) >= enough)
                n += 1
        for g in range(len(odd)):
            key = odd_keys[g, i]
            if key != NOBODY and _size(key) >= enough:
                whole &= n < len(line)
                if n < len(line):
                    line[n] = (key & ~COLUMNS) | (np.uint64(odd[g]) << np.uint64(1))
                    good += 1
                    n += 1
        short[at] = not whole or good < k
        line[n:] = NOBODY
        longest = max(longest, n)
    return longest


@kernel
def _row(products: Floats, i: int, n_tiles: int, out: Floats) -> None:
    """The products of a column with every other."""
    own, at = i // TILE, i % TILE
    for other in range(own):
        tile = products[_place(other, own, n_tiles)]
        for j in range(TILE):
            out[other * TILE + j] = tile[j * TILE + at]
    tile = products[_place(own, own, n_tiles)]
    for j in range(TILE):
        out[own * TILE + j] = tile[min(j, at) * TILE + max(j, at)]
    for other in range(own + 1, n_tiles):
        out[other * TILE : (other + 1) * TILE] = products[_place(own, other, n_tiles)][at * TILE : (at + 1) * TILE]


@kernel
def _floor(sizes: Floats, k: int) -> float:
    """What the k-th largest reaches surely, and few others; sizes are 0 to 1, or -1 for none."""
    counts = np.zeros(BINS + 1, np.int32)
    for size in sizes:
        counts[int(size * BINS) if size >= 0.0 else 0] += 1
    at, n = BINS + 1, 0
    while n < k and at > 0:
        at -= 1
        n += counts[at]
    return at / BINS - 4 * UNIT if at > 0 else -0.5


@kernel
def together(x: Floats, inverse: Floats, start: int, stop: int) -> Floats:
    """Sum over the columns of some tiles, each by its norm (n_tiles, TILE), in each row, (stop - start,)."""
    out = np.zeros(stop - start)
    for tile in range(len(x)):
        scale = inverse[tile]
        for t in range(start, stop):
            values = x[tile, t * TILE : (t + 1) * TILE]
            total = 0.0
            for j in range(TILE):
                total += 0.0 if np.isnan(scale[j]) else values[j] * scale[j]
            out[t - start] += total
    return out


@kernel
def likeness(x: Floats, inverse: Floats, start: int, index: Floats, out: Floats) -> None:
    """Product of each column of some tiles, by its norm, with an index (n_rows,) from a row on, written into `out`."""
    for tile in range(len(x)):
        total = np.zeros(TILE)
        for t in range(len(index)):
            values = x[tile, (start + t) * TILE : (start + t + 1) * TILE]
            for j in range(TILE):
                total[j] += values[j] * index[t]
        for j in range(TILE):
            out[tile, j] = total[j] * inverse[tile, j]


@kernel
def probe(
    group: int,
    others: Ints,
    x: Floats,
    products: Floats,
    moves: Ints,
    means: Floats,
    sums: Floats,
    inverse: Floats,
    sizes: Floats,
) -> None:
    """Move the products of a group with others to the next window; absolute correlations of its columns with theirs.

    sizes : (TILE, n_tiles * TILE), written, -1 for none
    """
    for other in others:
        low, high = min(group, other), max(group, other)
        tile = products[_place(low, high, len(x))]
        _move(tile, x[low], x[high], moves)
        for at in range(TILE):
            i = group * TILE + at
            for at_other in range(TILE):
                j = other * TILE + at_other
                line, place = (at, at_other) if group <= other else (at_other, at)
                if group == other:
                    line, place = min(at, at_other), max(at, at_other)
                value = (tile[line * TILE + place] - means[i] * sums[j]) * (inverse[i] * inverse[j])
                sizes[at, j] = min(1.0, abs(value)) if value == value and i != j else -1.0


@kernel
def floors_of(sizes: Floats, k: int) -> Floats:
    """What the k-th largest of each row reaches, (n_rows,)."""
    out = np.empty(len(sizes))
    for row in range(len(sizes)):
        out[row] = _floor(sizes[row], k)
    return out


@kernel
def look_again(
    nodes: Ints,
    short: Bools,
    k: int,
    products: Floats,
    means: Floats,
    sums: Floats,
    inverse: Floats,
    errors: Floats,
    odd: Ints,
    odd_of: Ints,
    odd_keys: Keys,
    raw: Floats,
    start: int,
    stop: int,
    least: int,
    keys: Keys,
) -> int:
    """As `choose`, of the nodes that came out short, among all columns; the width that the longest line needs."""
    n_columns = len(inverse)
    found, sizes = np.empty(n_columns), np.empty(n_columns)
    longest = 0
    for at in range(len(nodes)):
        if not short[at]:
            continue
        i = nodes[at]
        if odd_of[i] >= 0:
            for j in range(n_columns):
                key = odd_keys[odd_of[i], j]
                found[j] = np.nan if key == NOBODY else _size(key) * UNIT
        else:
            _row(products, i, n_columns // TILE, found)
            for j in range(n_columns):
                found[j] = (found[j] - means[i] * sums[j]) * (inverse[i] * inverse[j])
            found[i] = np.nan
            for g in range(len(odd)):
                found[odd[g]] = np.nan if odd_keys[g, i] == NOBODY else _size(odd_keys[g, i]) * UNIT
        for j in range(n_columns):
            sizes[j] = min(1.0, abs(found[j])) if found[j] == found[j] else -1.0
        floor = _floor(sizes, k)
        n = 0
        for j in range(n_columns):
            if sizes[j] >= floor:
                if n < keys.shape[1]:
                    if odd_of[i] >= 0:
                        key = odd_keys[odd_of[i], j] & ~COLUMNS
                    elif odd_of[j] >= 0:
                        key = odd_keys[odd_of[j], i] & ~COLUMNS
                    else:
                        key = _told(found[j], errors[i] + errors[j])
                    keys[at, n] = _settled(key | (np.uint64(j) << np.uint64(1)), raw, i, start, stop, least)
                n += 1
        keys[at, min(n, keys.shape[1]) :] = NOBODY
        longest = max(longest, n)
    return longest


@kernel
def read_off(
    keys: Keys,
    width: int,
    nodes: Ints,
    names: Ints,
    k: int,
    src: Ints,
    dst: Ints,
    corr: Floats,
    sizes: Floats,
) -> None:
    """The k first of each line of keys, which are sorted up to `width`.

    sizes : (n_tiles * TILE,), of the nodes written: the k-th, inf without one
    src, dst, corr : (n_nodes, k), written; src -1 where there is none
    """
    for at in range(len(nodes)):
        sizes[nodes[at]] = np.inf
        for c in range(k):
            key = keys[at, c] if c < width else NOBODY
            if key == NOBODY:
                src[at, c:] = -1
                break
            size = _size(key) / UNITS
            src[at, c] = names[nodes[at]]
            dst[at, c] = names[_column(key)]
            corr[at, c] = -size if key & np.uint64(1) else size
            if c == k - 1:
                sizes[nodes[at]] = size
