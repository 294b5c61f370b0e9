"""What many evaluations could have detected at the M of the day, all at once: it is computed under the lock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from nexus.maths.types import Floats, Ints

TARGETS = (0.02, 0.03, 0.05)
POWER = 0.80
FOREVER = 1 << 30


@dataclass(frozen=True)
class Power:
    """Of gate series, each (n,), NaN without variance.

    detectable : smallest mean IC found with 80 % power
    periods : for each of TARGETS, the periods over which a mean of that size is found as often
    """

    detectable: Floats
    periods: tuple[Floats, ...]


def power(sd: Floats, n: Ints, m: int) -> Power:
    """Power of gate series when `m` trials have been made; as `inference.detectable` and `periods_needed`.

    sd, n : (n_series,), standard deviation (ddof 1) and length; NaN and less than 2 where there is none
    """
    known = np.isfinite(sd) & (sd > 0) & (n >= 2)
    detectable = np.full(len(sd), np.nan)
    detectable[known] = _detectable(n[known], sd[known], m)
    return Power(detectable, tuple(_periods(np.where(known, sd, np.nan), target, m) for target in TARGETS))


def _detectable(n: Ints, sd: Floats, m: int, level: float = 0.05) -> Floats:
    critical = -special.stdtrit(n - 1.0, level / (2 * m))
    return np.asarray((critical + stats.norm.ppf(POWER)) * sd / np.sqrt(n))


def _periods(sd: Floats, target: float, m: int) -> Floats:
    """Fewest periods at least 2 that detect `target`, by bisection; NaN where sd is."""
    short, enough = np.ones(len(sd), np.int64), np.full(len(sd), FOREVER)
    while (enough - short > 1).any():
        middle = np.maximum((short + enough) // 2, 2)
        good = ~(_detectable(middle, sd, m) > target)
        enough, short = np.where(good, middle, enough), np.where(good, short, middle)
        enough, short = np.maximum(enough, 2), np.minimum(short, enough - 1)
    return np.where(np.isnan(sd), np.nan, enough)
