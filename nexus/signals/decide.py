"""From the looks at a signal's horizons to verdict, status and reason: the table "Decision" of docs/method.md.

The database decides by the same rules, in `number_evaluation` (what a look approves) and `verdicts_at` (what stands).
This twin needs no database: simulations of the whole decision use it, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

LEVEL = 0.05
KEEPS = 0.5
"""An approval stands while p x M is at most this: nobody's sweep retires another's signal by a hair."""
COVERAGE = 0.90
NAMES = 50
NULL_IC = 0.02
LONG = 600
"""Months beyond which waiting is no advice."""

REASONS = {
    "passes": "p x M is at most .05 and everything else holds",
    "threshold": "near: 3 x the smallest p is at most .05, but p x M is not",
    "backdated": "tier C: an input became known at a time nobody recorded, so nothing is approved",
    "survivorship": "fewer than 90 % of the universe have a price, or nobody knows how many",
    "thin": "fewer than 50 names on the average date",
    "sign": "the overlapping mean IC has the other sign",
    "unstable": "one half of the dates does not bear the other out",
    "suspect": "mean |IC| is at least .15: held until `nexus audit canary` has run on it",
    "canary": "the canary caught it: scores at t move when facts known after t are poisoned",
    "contaminated": "mean |IC| is at least .5, or .9 on one date: the scores know the returns",
    "multiplicity": "retired: p x today's M is above .5",
    "wrong sign": "retired: since its approval the sign is the other one, at one-sided p < .05",
    "null": "an IC of .02 is excluded at every horizon",
    "time": "underpowered: an IC of .03 needs more months than there are",
    "noise": "underpowered: needs breadth or less noise, not time",
}


@dataclass(frozen=True)
class Look:
    """One look at one horizon, as far as the decision reads it; None where a figure does not exist.

    side : -1 where the look is of this signal's hypothesis upside down
    order : any number that grows from look to look over all horizons, such as the evaluation's
    canary : whether the latest canary let it pass; None: none has run
    """

    horizon: int
    look_no: int
    order: int
    gate_t: float | None
    gate_p: float | None
    null_low: float | None
    null_high: float | None
    coverage: float | None
    names: float | None
    months_03: float | None
    stable: bool
    sign_agrees: bool
    tier: str = "A"
    contaminated: bool = False
    suspect: bool = False
    wrong_since_approval: bool = False
    canary: bool | None = None
    approved: bool = False
    side: int = 1

    @property
    def held(self) -> bool:
        """Whether the canary keeps it from approval."""
        return self.suspect if self.canary is None else not self.canary

    @property
    def obstacle(self) -> str | None:
        """The first thing besides its p-value that keeps it from approval."""
        checks = {
            "backdated": self.tier == "C",
            "survivorship": self.coverage is None or self.coverage < COVERAGE,
            "thin": self.names is None or self.names < NAMES,
            "sign": not self.sign_agrees,
            "unstable": not self.stable,
            "wrong sign": self.wrong_since_approval,
            "suspect": self.held,
        }
        return next((reason for reason, hit in checks.items() if hit), None)

    @property
    def nothing_there(self) -> bool:
        """Whether the 90 % interval lies inside what is too small to matter."""
        return (
            self.null_low is not None
            and self.null_high is not None
            and self.null_low > -NULL_IC
            and self.null_high < NULL_IC
        )

    def within(self, level: float, m: int) -> bool:
        """Whether p times `m` is at most `level`."""
        return self.gate_p is not None and self.gate_p * m <= level

    def stands(self, m: int) -> bool:
        """Whether its approval carries when `m` trials have been made."""
        return self.approved and self.within(KEEPS, m) and not self.held


@dataclass(frozen=True)
class Decision:
    """What the ledger concludes of one signal; `look` is the one that decided."""

    verdict: str
    status: str
    reason: str
    look: Look
    t_stat: float | None
    hlz_passes: bool
    retest_after_n: int | None


def approve(look: Look, m: int, last: Look | None = None) -> Look:
    """The look with `approved` as the database sets it when `m` trials, its own included, have been made.

    last : the look before it at the same hypothesis
    """
    may = not look.contaminated and look.obstacle in (None, "suspect")
    kept = last is not None and last.stands(m) and look.within(KEEPS, m)
    return replace(look, approved=may and (look.within(LEVEL, m) or kept))


def decide(looks: Sequence[Look], m: int) -> Decision:
    """Verdict, status and reason of a signal when `m` trials have been made.

    looks : all looks at all its horizons, in any order, at least one
    """
    latest = sorted(_latest(looks), key=lambda look: (-abs(look.gate_t or 0.0), look.gate_t is None, look.horizon))
    strongest = latest[0]
    decisive = next((look for look in latest if look.stands(m)), strongest)
    status, reason = _status(looks, latest, m)
    passed = status == "approved"
    near = _near(latest)
    nothing = all(look.nothing_there for look in latest)
    undecided = not (decisive.stands(m) or near or nothing)
    return Decision(
        verdict="pass" if passed else "inconclusive" if near else "null" if nothing else "underpowered",
        status=status,
        reason=reason,
        look=decisive,
        t_stat=None if strongest.gate_t is None else strongest.side * strongest.gate_t,
        hlz_passes=strongest.within(LEVEL, m),
        retest_after_n=ceil(decisive.months_03) if undecided and decisive.months_03 is not None else None,
    )


def _status(looks: Iterable[Look], latest: Sequence[Look], m: int) -> tuple[str, str]:
    if any(look.contaminated for look in latest):
        return "rejected", "contaminated"
    if any(look.canary is False for look in latest):
        return "rejected", "canary"
    if any(look.stands(m) for look in latest):
        return "approved", "passes"
    once = [look for look in looks if look.approved and not look.held]
    if once:
        horizon = max(once, key=lambda look: look.order).horizon
        return "retired", _lost(next(look for look in latest if look.horizon == horizon), m)
    if _near(latest):
        passing = [look for look in latest if look.within(LEVEL, m)]
        return "candidate", (passing[0].obstacle or "threshold") if passing else "threshold"
    if all(look.nothing_there for look in latest):
        return "rejected", "null"
    months = next((look for look in latest if look.stands(m)), latest[0]).months_03
    return "rejected", "noise" if months is not None and months > LONG else "time"


def _lost(look: Look, m: int) -> str:
    """Why what was approved is not any more."""
    if not look.within(KEEPS, m):
        return "multiplicity"
    if look.wrong_since_approval:
        return "wrong sign"
    return "unstable" if not look.stable else look.obstacle or "multiplicity"


def _near(latest: Iterable[Look]) -> bool:
    return 3 * min((look.gate_p for look in latest if look.gate_p is not None), default=1.0) <= LEVEL


def _latest(looks: Iterable[Look]) -> list[Look]:
    """The latest look at each horizon."""
    last: dict[int, Look] = {}
    for look in sorted(looks, key=lambda look: look.look_no):
        last[look.horizon] = look
    return list(last.values())
