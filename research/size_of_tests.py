"""How often each t statistic calls noise significant: the table "Sizes" of docs/method.md.

    python research/size_of_tests.py [DRAWS] > sizes.md

Scores are noise that remembers itself from month to month, AR(1) per company; returns have a market with clustered
volatility, betas and Student t(5) noise of unequal size. What a statistic rejects beyond its level is its error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from nexus.maths import inference
from nexus.maths.ic import rank_ic_many
from nexus.maths.stats import centred_ranks, tranches
from nexus.maths.types import Floats

COMPANIES = 140
MONTHS = (58, 120, 228)
OVERLAPS = (1, 3, 6)
PERSISTENCE = (0.0, 0.9, 0.98)
LEVELS = (0.05, 0.001)
STATISTICS = ("plain", "Newey-West", "EWC", "non-overlapping", "calendar time")


def returns(random: np.random.Generator, n_months: int) -> Floats:
    """Simple monthly returns, (n_months, COMPANIES): 16 % market, beta N(1, .3), 28 % own with dispersion."""
    log_volatility = _remembering(random.standard_normal((n_months, 1)), 0.97) * 0.4
    market = 0.16 / np.sqrt(12) * np.exp(log_volatility - 0.08) * random.standard_normal((n_months, 1))
    beta, size = random.normal(1, 0.3, COMPANIES), np.exp(random.normal(0, 0.3, COMPANIES))
    own = 0.28 / np.sqrt(12) * size * random.standard_t(5, (n_months, COMPANIES)) / np.sqrt(5 / 3)
    return np.maximum(beta * market + own, -0.95)


def _remembering(noise: Floats, persistence: float) -> Floats:
    """AR(1) along the rows with unit variance from the first on."""
    out = noise.copy()
    for t in range(1, len(out)):
        out[t] = persistence * out[t - 1] + np.sqrt(1 - persistence**2) * noise[t]
    return out


def p_values(random: np.random.Generator, n_months: int, persistence: float) -> Iterator[tuple[float, ...]]:
    """One noise factor: for each overlap the p-values of STATISTICS."""
    scores = _remembering(random.standard_normal((n_months, COMPANIES)), persistence)
    monthly = returns(random, n_months)
    wealth = np.vstack([np.ones((1, COMPANIES)), np.cumprod(1 + monthly, axis=0)])
    held = rank_ic_many(scores, [_ahead(wealth, overlap) for overlap in OVERLAPS])
    ranks = centred_ranks(scores)
    for overlap, series in zip(OVERLAPS, held, strict=True):
        x = series[: n_months + 1 - overlap]
        gate = rank_ic_many(tranches(ranks, overlap), [monthly])[0][overlap - 1 :]
        ewc = inference.ewc_t(x)
        yield (
            inference.p_value(inference.plain_t(x), len(x) - 1),
            inference.p_value(inference.newey_west_t(x, overlap - 1), len(x) - 1),
            inference.p_value(ewc.t, ewc.dof),
            inference.p_value(inference.non_overlapping_t(x, overlap), len(x[::overlap]) - 1),
            inference.p_value(inference.plain_t(gate), len(gate) - 1),
        )


def _ahead(wealth: Floats, overlap: int) -> Floats:
    """Return over the next `overlap` months from each month but the last; NaN where they are not over."""
    out = np.full((len(wealth) - 1, wealth.shape[1]), np.nan)
    out[: len(wealth) - overlap] = wealth[overlap:] / wealth[:-overlap] - 1
    return out


def main(draws: int) -> None:
    random = np.random.default_rng(7)
    print(f"Share of {draws:,} noise factors called significant, {COMPANIES} names: at 5 % / at 0.1 %, in per cent.\n")
    print("| months | H | persistence |", " | ".join(STATISTICS), "|")
    print("|---:|---:|---:|" + "---:|" * len(STATISTICS))
    for n_months in MONTHS:
        found = {}
        for persistence in PERSISTENCE:
            found[persistence] = np.array([list(p_values(random, n_months, persistence)) for _ in range(draws)])
        for place, overlap in enumerate(OVERLAPS):
            for persistence, p in found.items():
                rates = [100 * (p[:, place] <= level).mean(axis=0) for level in LEVELS]
                cells = (f"{at_5:.1f} / {at_01:.2f}" for at_5, at_01 in zip(*rates, strict=True))
                print(f"| {n_months} | {overlap} | {persistence:g} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000)
