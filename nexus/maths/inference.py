"""Is the mean of a series different from zero: t statistics, intervals, power and stability.

Every series is (n,), one value per date, in order of date, without NaN: which dates count is the caller's to decide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from nexus.maths import hlz
from nexus.maths.types import Floats


class EWC(NamedTuple):
    """A t statistic and the degrees of freedom of the Student's t to read it against."""

    t: float
    dof: int


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


class Halves(NamedTuple):
    """Means of the halves of a series, whether they agree, and whether the second is much the smaller."""

    first: float
    second: float
    stable: bool
    declining: bool


def plain_t(x: Floats) -> float:
    """Mean over its standard error, sd with ddof 1; NaN without variance. Against Student's t with n - 1 degrees."""
    x = _series(x, "plain_t")
    return _ratio(x, float(x.var(ddof=1)))


def newey_west_t(x: Floats, lags: int) -> float:
    """Mean over the standard error of Newey & West (1987); NaN without variance.

    lags : L, in periods; Bartlett weights 1 - l / (L + 1), autocovariances over n, no small-sample factor
    """
    x = _series(x, "newey_west_t")
    if not 0 <= lags < len(x):
        raise ValueError(f"newey_west_t: {lags} lags of {len(x)} values; give 0 to {len(x) - 1}")
    d = x - x.mean()
    weighted = ((1 - lag / (lags + 1)) * float(d[lag:] @ d[: len(d) - lag]) for lag in range(1, lags + 1))
    return _ratio(x, (float(d @ d) + 2 * sum(weighted)) / len(x))


def ewc_t(x: Floats) -> EWC:
    """Mean over the equal-weighted cosine standard error, with its degrees of freedom; t is NaN without variance.

    B = max(1, floor(0.4 n^(2/3))) type II cosine transforms. Lazarus, Lewis, Stock & Watson (2018).
    """
    x = _series(x, "ewc_t")
    n = len(x)
    dof = max(1, int(0.4 * n ** (2 / 3)))
    angles = np.pi * np.outer(np.arange(1, dof + 1), np.arange(n) + 0.5) / n
    projections = np.sqrt(2 / n) * np.cos(angles) @ (x - x.mean())
    return EWC(_ratio(x, float(np.mean(projections**2))), dof)


def non_overlapping_t(x: Floats, step: int) -> float:
    """`plain_t` of every `step`-th value from the first; NaN where fewer than 2 are left."""
    x = _series(x, "non_overlapping_t")
    if step < 1:
        raise ValueError(f"non_overlapping_t: a step of {step}; give the overlap, at least 1")
    return plain_t(x[::step]) if len(x) > step else float("nan")


def p_value(t: float, dof: float) -> float:
    """Two-sided probability of a |t| at least as large under Student's t."""
    return float(2 * special.stdtr(dof, -abs(t)))


def mean_interval(x: Floats, level: float = 0.90) -> Interval:
    """Confidence interval of the mean by Student's t with n - 1 degrees; the two one-sided tests at (1 - level) / 2."""
    x = _series(x, "mean_interval")
    reach = float(special.stdtrit(len(x) - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(float(x.mean()) - reach, float(x.mean()) + reach)


def detectable(n: int, sd: float, trials: int, power: float = 0.80) -> float:
    """Smallest mean found with the given power over n periods by the two-sided 0.05 test of `hlz.threshold`.

    sd : of one period's value
    """
    return (hlz.threshold(n, trials) + float(stats.norm.ppf(power))) * sd / float(np.sqrt(n))


def periods_needed(ic: float, sd: float, trials: int, power: float = 0.80) -> int:
    """Fewest periods, at least 2, over which a mean of `ic` is `detectable`."""
    if ic == 0:
        raise ValueError("periods_needed: no number of periods finds a mean of 0; give the mean worth finding")
    enough = 2
    while detectable(enough, sd, trials, power) > abs(ic):
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        if detectable(middle, sd, trials, power) > abs(ic):
            short = middle
        else:
            enough = middle
    return enough


def halves(x: Floats) -> Halves:
    """Means of the first and the second half (odd one to the second), and what they say.

    stable : both have the sign of the whole, and the smaller is at least a quarter of it
    declining : the second is under half of the first, and they differ with p < .05 (Welch)
    """
    x = _series(x, "halves", at_least=4)
    early, late = x[: len(x) // 2], x[len(x) // 2 :]
    whole = float(x.mean())
    first, second = float(early.mean()), float(late.mean())
    sign = float(np.sign(whole))
    stable = sign != 0 and min(sign * first, sign * second) >= abs(whole) / 4
    shrunk = sign * second < sign * first / 2 and sign * first > 0
    return Halves(first, second, stable, shrunk and _differ(early, late))


def _differ(early: Floats, late: Floats) -> bool:
    """Whether the means differ at p < .05: Welch's t, which does not ask for equal variances."""
    if np.ptp(early) == 0 and np.ptp(late) == 0:
        return bool(early[0] != late[0])
    errors = np.array([early.var(ddof=1) / len(early), late.var(ddof=1) / len(late)])
    dof = errors.sum() ** 2 / (errors**2 / np.array([len(early) - 1, len(late) - 1])).sum()
    return p_value(float((early.mean() - late.mean()) / np.sqrt(errors.sum())), float(dof)) < 0.05


def _series(x: Floats, name: str, at_least: int = 2) -> Floats:
    x = np.asarray(x, np.float64)
    if x.ndim != 1 or len(x) < at_least:
        raise ValueError(f"{name}: got shape {x.shape}; give one series of at least {at_least} values")
    if not np.isfinite(x).all():
        place = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"{name}: value {place} of {len(x)} is {x[place]}; drop the dates that do not count first")
    return x


def _ratio(x: Floats, variance: float) -> float:
    """Mean over sqrt(variance / n), NaN for a series without variance, whose rounding is not one."""
    if np.ptp(x) == 0 or variance <= 0:
        return float("nan")
    return float(x.mean() / np.sqrt(variance / len(x)))
