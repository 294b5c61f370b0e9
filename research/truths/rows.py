"""The rows of the table of truths that one market at a time can tell: what is measured on it, and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from nexus.db.ledger import LEAST_M
from nexus.ingest.simulate import TRUTHS, Truths, truths
from nexus.maths import hlz
from nexus.maths.ic import rank_ic
from nexus.maths.stats import residualise
from nexus.signals.decide import LEVEL
from nexus.signals.labels import Labels
from research.truths.arrays import conclude, labels_of
from research.truths.shares import Share

Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """A market, and the labels of all who are listed on it."""

    market: Truths
    labels: Labels

    @classmethod
    def of(cls, seed: int) -> Case:
        """Draw it."""
        market = truths(seed)
        return cls(market, labels_of(market))


@dataclass(frozen=True)
class Outcome:
    """What was measured, in words, and whether the row holds."""

    measured: str
    holds: bool


@dataclass(frozen=True)
class Row:
    """measure : figures of one case (and a fresh ledger); conclude : of a frame with those of each case in a row."""

    must: str
    measure: Callable[..., Figures]
    conclude: Callable[[pd.DataFrame], Outcome]


def planted(name: str, case: Case) -> Figures:
    """What is concluded of a planted score."""
    found = conclude(case.market.scores[name], case.labels)
    p = found.judged[0].gate_p
    return {
        "p": np.nan if p is None else p,
        "passes": found.passed,
        "null": found.decision.verdict == "null",
        "declining": found.declining,
        "at 21": 21 in found.approved_at,
        "at 126 only": found.approved_at == (126,),
    }


def conditional(case: Case) -> Figures:
    """R's passes, undeclared and declared."""
    score, stress = case.market.scores["R"], case.market.stress[:, None]
    undeclared, declared = (conclude(x, case.labels) for x in (score, np.where(stress, score, np.nan)))
    return {"undeclared": undeclared.passed, "declared": declared.passed, "months": declared.judged[0].gate_n}


def risky(case: Case) -> Figures:
    """B's passes, as it is and as its residual on measured beta and volatility, and how much of its sd that leaves."""
    market, raw = case.market, case.market.scores["B"]
    residual = residualise(raw, np.stack([market.beta, market.volatility], axis=2))
    sd = [np.nanstd(rank_ic(score, market.forward[21])) for score in (raw, residual)]
    passes = [conclude(score, case.labels).passed for score in (raw, residual)]
    return {"passes": any(passes), "sd left": float(sd[1] / sd[0])}


def survivors(case: Case) -> Figures:
    """S among all who were listed, and among those who are there at the end, of whom coverage is unknown."""
    market = case.market
    alive = labels_of(market, market.member & market.survivor, known_universe=False)
    everyone, living = (conclude(market.scores["S"], labels) for labels in (case.labels, alive))
    return {
        "all": everyone.judged[0].ic_mean or np.nan,
        "alive": living.judged[0].ic_mean or np.nan,
        "significant": everyone.looks[0].within(LEVEL, LEAST_M),
        "alive approved": living.passed,
    }


def stated_power(name: str, months: float, m: int = LEAST_M) -> float:
    """Chance that a truth is found at 21 sessions over so many months: Student's t, off centre."""
    truth = TRUTHS[name]
    assert truth.sd is not None
    off_centre = truth.ic / truth.sd * np.sqrt(months)
    return float(stats.nct.sf(hlz.threshold(round(months), m), months - 1, off_centre))


def share(of: pd.Series) -> Share:
    """How many markets it is true of."""
    return Share(int(of.sum()), len(of))


def _p1(found: pd.DataFrame) -> Outcome:
    passes = share(found["passes"])
    return Outcome(f"passes in {passes}", passes.at_least(0.99))


def _p2(found: pd.DataFrame) -> Outcome:
    passes, power = share(found["passes"]), stated_power("P2", MONTHS)
    return Outcome(f"passes in {passes}; stated power {power:.0%}", passes.is_about(power))


def _p3(found: pd.DataFrame) -> Outcome:
    """A score that cannot be judged is not called null either, so each must have been."""
    null = share(found["null"])
    return Outcome(f"null in {null}", null.at_most(0.05) and bool(np.isfinite(found["p"]).all()))


def _p4(found: pd.DataFrame) -> Outcome:
    only = share(found["at 126 only"])
    return Outcome(f"at 126 and nowhere else in {only}", only.at_least(0.99))


def _d(found: pd.DataFrame) -> Outcome:
    refused, declining = share(~found["passes"].astype(bool)), share(found["declining"])
    holds = refused.at_least(0.90) and declining.at_least(0.99)
    return Outcome(f"does not pass in {refused}, DECLINING in {declining}", holds)


def _r(found: pd.DataFrame) -> Outcome:
    refused, declared = share(~found["undeclared"].astype(bool)), share(found["declared"])
    text = f"does not pass undeclared in {refused}; passes declared in {declared} ({found['months'].mean():.0f} months)"
    return Outcome(text, refused.at_least(0.85) and declared.at_least(0.70))


def _b(found: pd.DataFrame) -> Outcome:
    passes, left = share(found["passes"]), found["sd left"]
    text = f"passes in {passes}; residual sd {left.mean():.2f} of the raw one, at most {left.max():.2f}"
    return Outcome(text, passes.at_most(0.01) and bool((left < 0.5).all()))


def _s(found: pd.DataFrame) -> Outcome:
    shown = share((found["all"] < 0) & (found["alive"] > 0) & (found["significant"] == 1))
    text = f"IC {found['all'].mean():.3f} of all and significant, {found['alive'].mean():.3f} of survivors in {shown}"
    return Outcome(text, shown.at_least(0.99) and not found["alive approved"].any())


MONTHS = 239
"""Month-ends of 5,040 sessions whose 21-session window is over."""
ROWS: Mapping[str, Row] = {
    "P1": Row("pass in over 99 % of seeds", partial(planted, "P1"), _p1),
    "P2": Row("pass at its stated power", partial(planted, "P2"), _p2),
    "P3": Row("be called null in at most 5 %", partial(planted, "P3"), _p3),
    "P4": Row("pass at 126 only", partial(planted, "P4"), _p4),
    "D": Row("not pass in over 90 %; DECLINING", partial(planted, "D"), _d),
    "R": Row("not pass undeclared in over 85 %; pass in over 70 % when declared", conditional, _r),
    "B": Row("not pass; residualised sd under half", risky, _b),
    "S": Row("show the difference", survivors, _s),
}


def measure(rows: Sequence[str], seed: int) -> dict[str, Figures]:
    """Figures of rows on the market of a seed."""
    case = Case.of(seed)
    return {row: ROWS[row].measure(case) for row in rows}
