"""What a hypothesis looks like from outside: score ranks on a few month-ends, compared whatever its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nexus.db.ledger import digest
from nexus.maths.ic import rank_ic
from nexus.maths.ordered import Ordered
from nexus.maths.stats import ranks
from nexus.maths.types import Bools, Dates, Floats, Ints

DATES = 60
SEASONS = ((6, 12), (3, 9))
"""Months that are taken first; then the rest, newest first among equals."""
TOP = 30_000
SAME, NEAR = 0.999, 0.9
LEAST_DATES, LEAST_NAMES = 12, 50
CANDIDATES = 8
"""Earlier sketches that are compared exactly with each new one: those that look most alike."""
ALIKE = 0.75
"""Approximate correlation from which a pair is compared exactly; the approximation errs by a few hundredths."""
CELLS = 6_000
"""Of each sketch, how many the approximation reads."""
BLOCK = 512
"""Earlier sketches that are approximated at a time."""

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Sketch:
    """Score ranks of one factor.

    dates : (n_dates,) datetime64[D], ascending
    companies : (n_companies,) int32, ascending
    ranks : (n_dates, n_companies) int16, 2 x average rank scaled to 1..30000; -1 no score
    """

    dates: Dates
    companies: NDArray[np.int32]
    ranks: NDArray[np.int16]

    @cached_property
    def hash(self) -> bytes:
        """Digest of the content, the key under which it is stored."""
        return digest(self.dates, self.companies, self.ranks)


@dataclass(frozen=True)
class Match:
    """An earlier sketch that is much like a new one."""

    earlier: int
    rho: float

    @property
    def same(self) -> bool:
        """Whether the two are one hypothesis."""
        return abs(self.rho) >= SAME

    @property
    def sign(self) -> int:
        """-1 where one is the other upside down."""
        return -1 if self.rho < 0 else 1


def sketch(scores: Floats, dates: Dates, companies: Ints) -> Sketch:
    """Sketch of scores as they are judged.

    scores : (n_dates, n_companies), NaN none; companies ascending
    """
    chosen = _chosen(dates, np.asarray(np.isfinite(scores).any(axis=1)))
    names = np.isfinite(scores[chosen]).any(axis=0)
    ranked = ranks(scores[chosen][:, names])
    count = np.isfinite(ranked).sum(axis=1, keepdims=True)
    scaled = np.where(np.isnan(ranked), -1, np.rint(TOP * ranked / np.maximum(count, 1)))
    return Sketch(dates[chosen].astype("datetime64[D]"), companies[names].astype(np.int32), scaled.astype(np.int16))


def values_hash(scores: Floats, dates: Dates, companies: Ints) -> bytes:
    """Digest of (company ids, 2 x average ranks, dates): equal only where every rank is."""
    return digest(dates, companies, Ordered.of(scores).doubled)


def correlation(a: Sketch, b: Sketch) -> float:
    """Mean rank correlation over common dates with at least 50 common names; NaN with fewer than 12 such dates."""
    _, a_rows, b_rows = np.intersect1d(a.dates, b.dates, assume_unique=True, return_indices=True)
    _, a_names, b_names = np.intersect1d(a.companies, b.companies, assume_unique=True, return_indices=True)
    x, y = (_known(s.ranks[np.ix_(rows, names)]) for s, rows, names in ((a, a_rows, a_names), (b, b_rows, b_names)))
    enough = (np.isfinite(x) & np.isfinite(y)).sum(axis=1) >= LEAST_NAMES
    if enough.sum() < LEAST_DATES:
        return float("nan")
    found = rank_ic(x[enough], y[enough])
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def matches(new: Sequence[Sketch], earlier: Sequence[Sketch], before: Sequence[int] | None = None) -> list[list[Match]]:
    """For each new sketch the earlier ones that correlate at .9 or more, most alike first.

    before : for each new sketch, how many of the earlier ones it is compared with; None: all
    Thousands are sifted by an approximation, matrix products over a sample of names; what looks alike is compared
    exactly, at most CANDIDATES of them.
    """
    found: list[list[Match]] = []
    for row, (sketched, likeness) in enumerate(zip(new, _likeness(new, earlier), strict=True)):
        limit = len(earlier) if before is None else before[row]
        size = np.abs(likeness[:limit])
        best = np.argsort(-size, kind="stable")[:CANDIDATES]
        exact = [Match(int(i), correlation(sketched, earlier[i])) for i in best[size[best] >= ALIKE]]
        found.append(sorted((m for m in exact if abs(m.rho) >= NEAR), key=lambda m: (-abs(m.rho), m.earlier)))
    return found


def _likeness(new: Sequence[Sketch], earlier: Sequence[Sketch]) -> Floats:
    """Correlation of what is known to both, pooled over dates, of a sample of names; (n_new, n_earlier)."""
    if not new or not earlier:
        return np.zeros((len(new), len(earlier)))
    dates = np.unique(np.concatenate([s.dates for s in new]))
    companies = np.unique(np.concatenate([s.companies for s in new]))
    companies = companies[:: max(1, len(dates) * len(companies) // CELLS)]
    x = _grid(new, dates, companies)
    out = np.empty((len(new), len(earlier)))
    for start in range(0, len(earlier), BLOCK):
        block = slice(start, start + BLOCK)
        out[:, block] = _pooled(x, _grid(earlier[block], dates, companies))
    return out


@dataclass(frozen=True)
class _Grid:
    """Ranks of sketches on common cells, from -1 to 1 and 0 where unknown, and which cells are known.

    values : (n_sketches, cells)
    patterns : (n_patterns, cells), 1 known; few, since most sketches of a universe know the same cells
    pattern : (n_sketches,), each one's
    """

    values: Singles
    patterns: Singles
    pattern: Ints


def _grid(sketches: Sequence[Sketch], dates: Dates, companies: NDArray[np.int32]) -> _Grid:
    values = np.zeros((len(sketches), len(dates), len(companies)), np.float32)
    known = np.zeros(values.shape, np.bool_)
    for i, s in enumerate(sketches):
        rows, at = _places(s.dates, dates)
        names, to = _places(s.companies, companies)
        ranked = s.ranks[np.ix_(rows, names)]
        cells = np.ix_(at, to)
        known[i][cells] = ranked >= 0
        values[i][cells] = np.where(ranked >= 0, ranked / np.float32(TOP / 2) - 1, 0)
    numbers: dict[bytes, int] = {}
    pattern = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in known])
    first = np.unique(pattern, return_index=True)[1]
    flat = known.reshape(len(sketches), -1)
    return _Grid(values.reshape(len(sketches), -1), flat[first].astype(np.float32), pattern)


def _pooled(x: _Grid, y: _Grid) -> Floats:
    """Pearson correlation of each pair over the cells known to both, (n_x, n_y); 0 where it has none."""
    n = np.maximum((x.patterns @ y.patterns.T)[x.pattern][:, y.pattern], 1)
    x_sum, x_square = ((v @ y.patterns.T)[:, y.pattern] for v in (x.values, x.values**2))
    y_sum, y_square = ((v @ x.patterns.T)[:, x.pattern].T for v in (y.values, y.values**2))
    scale = np.maximum((x_square - x_sum**2 / n) * (y_square - y_sum**2 / n), 0)
    return np.asarray((x.values @ y.values.T - x_sum * y_sum / n) / np.sqrt(np.where(scale > 0, scale, np.inf)))


def _places(own: NDArray[np.generic], wanted: NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Rows of `own` that are wanted, and their places in `wanted`; both ascending."""
    at = np.searchsorted(wanted, own)
    at[at == len(wanted)] = 0
    rows = np.flatnonzero(wanted[at] == own) if len(wanted) else np.zeros(0, np.int64)
    return rows, at[rows]


def _chosen(dates: Dates, scored: Bools) -> Ints:
    """Rows of at most DATES month-ends: the last scored date of each month, June and December first."""
    rows = np.flatnonzero(scored)
    months = dates[rows].astype("datetime64[M]")
    rows = rows[np.append(months[1:] != months[:-1], True)] if len(rows) else rows
    month = dates[rows].astype("datetime64[M]").astype(np.int64) % 12 + 1
    season = np.select([np.isin(month, wanted) for wanted in SEASONS], range(len(SEASONS)), len(SEASONS))
    order = np.lexsort((-rows, season))
    return np.sort(rows[order[:DATES]])


def _known(scaled: NDArray[np.int16]) -> Floats:
    return np.where(scaled >= 0, scaled, np.nan)
