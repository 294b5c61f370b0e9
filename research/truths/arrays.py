"""From a simulated market to what a ledger would conclude of scores on it, without prices and without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nexus.db.ledger import LEAST_M
from nexus.ingest.simulate import Truths
from nexus.ingest.simulate.truths import HORIZONS
from nexus.maths import calendar
from nexus.maths.returns import Forward
from nexus.maths.types import Bools, Floats
from nexus.signals.decide import Decision, Look, approve, decide
from nexus.signals.judge import Judged, judge
from nexus.signals.labels import Labels
from nexus.signals.replay import look_of


@dataclass(frozen=True)
class Conclusion:
    """First looks at a factor, in order of horizon, and the decision on them."""

    judged: tuple[Judged, ...]
    looks: tuple[Look, ...]
    decision: Decision

    @property
    def passed(self) -> bool:
        """Whether it is approved."""
        return self.decision.status == "approved"

    @property
    def approved_at(self) -> tuple[int, ...]:
        """Horizons whose look approves it."""
        return tuple(look.horizon for look in self.looks if look.approved)

    @property
    def declining(self) -> bool:
        """The note beside the decision, which is that of the look that decided."""
        return next(one.declining for one in self.judged if one.horizon == self.decision.look.horizon)


def labels_of(market: Truths, members: Bools | None = None, known_universe: bool = True) -> Labels:
    """Labels as `nexus.signals.labels.labels` makes them of the market's prices, from the returns it states.

    members : (n_months, n_companies); None: who is listed
    known_universe : False where the members are simply those that are still there, so that coverage means nothing
    """
    members = market.member if members is None else members
    return Labels(
        dates=market.dates,
        companies=np.arange(members.shape[1]),
        members=members,
        coverage=np.full(len(members), 1.0 if known_universe else np.nan),
        one_period=_forward(market.one_period, members),
        forward={horizon: _forward(market.forward[horizon], members) for horizon in HORIZONS},
        overlaps={horizon: calendar.overlap(horizon) for horizon in HORIZONS},
        spilling=dict.fromkeys(HORIZONS, 0),
    )


def conclude(scores: Floats, labels: Labels, m: int = LEAST_M, horizons: Sequence[int] = HORIZONS) -> Conclusion:
    """Judge scores and decide, in a ledger whose trials, these included, are `m`.

    scores : (n_months, n_companies), NaN no opinion
    """
    judged = tuple(judge(scores, labels, horizons))
    looks = tuple(approve(look_of(one, m, order=order), m) for order, one in enumerate(judged))
    return Conclusion(judged, looks, decide(looks, m))


def _forward(returns: Floats, members: Bools) -> Forward:
    """Windows of known returns; delisting returns are known, so nothing is pessimistic; leavers are not told apart."""
    there = np.isfinite(returns)
    complete = np.asarray(there.any(axis=1))
    return Forward(
        returns=returns,
        pessimistic=returns,
        complete=complete,
        leavers=np.zeros(len(returns), np.int64),
        no_entry=(members & ~there & complete[:, None]).sum(axis=1),
    )
