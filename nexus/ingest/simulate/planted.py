"""The planted truths: what each score is worth, and the scores themselves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import pi, sin

import numpy as np

from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Floats


@dataclass(frozen=True)
class Truth:
    """What is true of a planted score over 21 sessions, where it acts.

    ic : mean rank IC
    sd : of the monthly rank IC; None where it is what chance makes of so many names
    persistence : rank correlation of the scores of two successive month-ends
    """

    ic: float
    sd: float | None
    persistence: float
    acts: str


TRUTHS = {
    "P1": Truth(0.05, 0.06, 0.9, "always"),
    "P2": Truth(0.03, 0.10, 0.98, "always"),
    "P3": Truth(0.02, 0.15, 0.98, "always"),
    "P4": Truth(0.04, None, 0.0, "over 126 sessions, all of it in months 4 to 6"),
    "D": Truth(0.06, 0.06, 0.9, "in the first half of the months; after it mean and sd are those of chance"),
    "R": Truth(0.08, 0.12, 0.9, "while the VIX is above its known upper quartile; elsewhere only noise"),
    "S": Truth(-0.03, None, 0.9, "against those who will leave; .01 among those who stay"),
    "B": Truth(0.0, None, 0.98, "never: it is beta and volatility as measured, which earn nothing, and noise"),
}
SURVIVORS_IC = 0.01
"""Mean rank IC of S among the companies that are listed to the end."""
CALM_SD = 0.15
"""Sd of R's monthly IC outside its state: were it small there, R would pass without its condition declared."""
BETA_LOADING, VOLATILITY_LOADING, NOISE_LOADING = 0.9, 0.3, 0.3
"""B's."""


def pearson(rank_correlation: float) -> float:
    """Return the correlation of a bivariate normal with this Spearman correlation."""
    return 2 * sin(pi * rank_correlation / 6)


def persistent(random: np.random.Generator, shape: tuple[int, ...], persistence: float) -> Floats:
    """Return standard normal series along the first axis, whose successive ranks correlate at `persistence`."""
    phi = pearson(persistence)
    series = random.standard_normal(shape)
    series[1:] *= np.sqrt(1 - phi**2)
    for previous, current in pairwise(series):
        current += phi * previous
    return series


def planted_scores(seed: int, months: int, companies: int) -> dict[str, Floats]:
    """Return each score but B, (n_months, n_companies), standard normal, whether listed or not."""
    return {
        name: persistent(stream(seed, name), (months, companies), truth.persistence)
        for name, truth in TRUTHS.items()
        if name != "B"
    }


def risk_score(seed: int, beta: Floats, volatility: Floats) -> Floats:
    """Return B, (n_months, n_companies): NaN where beta or volatility is."""
    noise = persistent(stream(seed, "B"), beta.shape, TRUTHS["B"].persistence)
    return BETA_LOADING * standardised(beta) + VOLATILITY_LOADING * standardised(volatility) + NOISE_LOADING * noise


def standardised(values: Floats) -> Floats:
    """Centre and scale each row over its finite values; a row without any stays NaN."""
    known = np.isfinite(values)
    names = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = values - np.nansum(values, axis=1, keepdims=True) / names
    spread = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / names)
    scaled: Floats = centred / np.where(spread > 0, spread, np.nan)
    return scaled
