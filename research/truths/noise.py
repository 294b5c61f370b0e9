"""The row N: a thousand factors that mean nothing, in one sweep, of every memory and with and without styles."""

from __future__ import annotations

import pandas as pd

from nexus.db.ledger import LEAST_M, burden
from nexus.ingest.simulate import noise_factors
from nexus.ingest.simulate.noise import PERSISTENCES, STYLE_SD
from nexus.ingest.simulate.truths import HORIZONS
from nexus.signals.decide import LEVEL
from research.truths.arrays import Conclusion, conclude
from research.truths.rows import Case, Outcome

KINDS = tuple((persistence, style) for style in (None, STYLE_SD) for persistence in PERSISTENCES)
"""Persistence from month-end to month-end; sd of the monthly IC, None: chance's."""
FACTORS = 1_000
MOST_PASSES, MOST_INCONCLUSIVE = 3, 0.06
SIZES = ((0.05, ".1%"), (0.001, ".2%"))
"""Levels at which the size of single tests is shown, and how."""
MUST = "pass at most 3 times in 3,000 tests, be inconclusive at most 6 %"


def sweep(case: Case, factors: int = FACTORS) -> pd.DataFrame:
    """Conclusions on so many noise factors, as many of each kind, one in a row.

    Columns: seed, persistence, style, verdict; passes, horizons approved when all the sweep's tests count; alone, those
    that would be had the factor been the first in its ledger; p_21, p_63, p_126, of the gate
    """
    m, seed = burden(factors * len(HORIZONS)), case.market.seed
    rows = [
        {"seed": seed, "persistence": persistence, "style": style is not None, **_figures(conclude(x, case.labels, m))}
        for persistence, style in KINDS
        for x in noise_factors(seed, factors // len(KINDS), persistence, style, case.market)
    ]
    return pd.DataFrame(rows)


def of_seed(seed: int) -> pd.DataFrame:
    """A whole sweep on the market of a seed."""
    return sweep(Case.of(seed))


def _figures(found: Conclusion) -> dict[str, object]:
    return {
        "verdict": found.decision.verdict,
        "passes": len(found.approved_at),
        "alone": sum(look.within(LEVEL, LEAST_M) and look.obstacle is None for look in found.looks),
        **{f"p_{look.horizon}": look.gate_p for look in found.looks},
    }


def outcome(found: pd.DataFrame) -> Outcome:
    """Whether each sweep holds, every test there, and what the worst did."""
    sweeps = found.groupby("seed")
    passes = sweeps["passes"].sum()
    inconclusive = (found["verdict"] == "inconclusive").groupby(found["seed"]).mean()
    tests = sum(found[f"p_{horizon}"].notna().sum() for horizon in HORIZONS)
    text = (
        f"{passes.sum()} passes of {tests:,} tests, at most {passes.max()} in one sweep; "
        f"inconclusive {inconclusive.mean():.1%} of factors, at most {inconclusive.max():.1%}"
    )
    few = (passes <= MOST_PASSES).all() and (inconclusive <= MOST_INCONCLUSIVE).all()
    return Outcome(text, bool(few and tests == len(found) * len(HORIZONS)))


def table(found: pd.DataFrame) -> str:
    """The whole decision on noise by kind, as in docs/method.md; by horizon, the share of tests with p at SIZES."""
    lines = [
        "| memory | styles | factors | approved, M of the sweep | M = 400 | inconclusive | null | 21 | 63 | 126 |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (style, persistence), kind in found.groupby(["style", "persistence"]):
        sizes = (
            " / ".join(f"{(kind[f'p_{horizon}'] <= level).mean():{form}}" for level, form in SIZES)
            for horizon in HORIZONS
        )
        verdicts = kind["verdict"].value_counts(normalize=True)
        lines.append(
            f"| {persistence:g} | {'yes' if style else 'no'} | {len(kind):,} | {(kind['passes'] > 0).sum()} | "
            f"{(kind['alone'] > 0).sum()} | {verdicts.get('inconclusive', 0):.1%} | {verdicts.get('null', 0):.1%} | "
            f"{' | '.join(sizes)} |"
        )
    return "\n".join(lines)
