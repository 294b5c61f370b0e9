"""Factors that mean nothing, and factors that mean what another already says: what a ledger must not be fooled by."""

from __future__ import annotations

import numpy as np

from nexus.ingest.simulate.planted import pearson, persistent
from nexus.ingest.simulate.risk import NAMELESS_SD
from nexus.ingest.simulate.streams import stream
from nexus.ingest.simulate.truths import Truths
from nexus.ingest.simulate.units import excess
from nexus.maths.types import Floats

PERSISTENCES = (0.0, 0.9, 0.98, 1.0)
STYLE_SD = 0.15
"""Sd of the monthly IC of noise that loads on styles."""


def noise_factors(seed: int, n: int, persistence: float, style_sd: float | None, market: Truths) -> Floats:
    """Return scores whose true IC is 0, (n, n_months, n_companies), NaN where not a member.

    persistence : rank correlation from month-end to month-end, of the noise and of the direction a factor loads in
    style_sd : sd of the monthly IC, reached by loading on the market's nameless styles; None: that of chance
    """
    months, companies = market.member.shape
    random = stream(seed, f"noise {persistence} {style_sd}")
    weight = excess(style_sd, int(market.member[0].sum())) / NAMELESS_SD
    if weight > 1:
        raise ValueError(f"noise_factors: style_sd {style_sd} is beyond what one style earns; ask for .17 or less")
    scores = np.empty((n, months, companies))
    for factor in scores:
        factor[:] = np.sqrt(1 - weight**2) * persistent(random, (months, companies), persistence)
        if weight:
            direction = persistent(random, (months, market.nameless.shape[1]), persistence)
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            factor += weight * (direction @ market.nameless.T)
        factor[~market.member] = np.nan
    return scores


def disguises(scores: Floats) -> dict[str, Floats]:
    """Return P5: monotone transforms of a score, its negative among them, which are all one hypothesis."""
    ordered = np.argsort(np.argsort(scores, axis=1), axis=1).astype(np.float64)
    return {
        "negative": -scores,
        "log": np.log(scores - np.nanmin(scores) + 1),
        "rank": np.where(np.isnan(scores), np.nan, ordered),
        "affine": 2 * scores + 3,
    }


def variants(seed: int, scores: Floats, n: int = 20, nearest: float = 0.99, farthest: float = 0.92) -> Floats:
    """Return P6: a standard normal score with as persistent noise, (n, n_months, n_companies), from far to near.

    nearest, farthest : rank correlation with `scores`, spread evenly between them
    """
    random = stream(seed, "variants")
    near = np.empty((n, *scores.shape))
    for variant, correlation in zip(near, np.linspace(farthest, nearest, n), strict=True):
        rho = pearson(correlation)
        variant[:] = rho * scores + np.sqrt(1 - rho**2) * persistent(random, scores.shape, 0.9)
    return near
