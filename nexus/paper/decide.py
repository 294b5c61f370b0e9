"""What an account decides at a close: on the published scores of the signals that may still be traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from nexus.backtest.liquidity import known_liquidity
from nexus.backtest.read import read
from nexus.backtest.spec import Spec
from nexus.backtest.weights import book, composite
from nexus.db.declared import Declared
from nexus.db.engine import Database
from nexus.db.paper import Processed
from nexus.maths.types import Floats, Ints
from nexus.paper.evening import REBALANCE, Decision
from nexus.paper.schedule import Schedule
from nexus.paper.tape import Seen, Tape

DECIDED = ("rebalanced", "closed")


@dataclass(frozen=True)
class Occasion:
    """Why an account decides at a close.

    lost : signals that may not be traded any more, and why
    news : those of them that the last decision still traded on
    """

    lost: Mapping[str, str] = field(default_factory=dict)
    news: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Kept with each order."""
        return "; ".join(f"{name} lost its approval: {self.lost[name]}" for name in self.news) or REBALANCE

    @property
    def note(self) -> str | None:
        """Kept with the evening, a line for each signal that is left out; `left_out` reads it back."""
        return "\n".join(f"without {name}: {why}" for name, why in sorted(self.lost.items())) or None


@dataclass(frozen=True)
class Targets:
    """Weights of companies, both (n,), ids ascending; and the last load that was read."""

    companies: Ints
    weights: Floats
    load_id: int | None

    @classmethod
    def nothing(cls) -> Targets:
        """To hold nothing."""
        return cls(np.zeros(0, np.int64), np.zeros(0), None)


def occasion(
    schedule: Schedule, spec: Spec, day: date, past: list[Processed], lost: Mapping[str, str]
) -> Occasion | None:
    """Why to decide on a day: the rule says so, or a signal has lost its approval since the last decision."""
    decided = [one for one in past if one.status in DECIDED]
    known = left_out(decided[-1].note, spec) if decided else lost.keys()
    news = tuple(sorted(lost.keys() - known)) if decided else ()
    assert isinstance(spec.rebalance, str)
    return Occasion(lost, news) if news or schedule.decides(spec.rebalance, day) else None


def needed_days(schedule: Schedule, spec: Spec, day: date) -> list[date]:
    """Days whose scores a decision needs: its own, and where weights are learnt those of the decisions before it."""
    assert isinstance(spec.rebalance, str)
    learnt = spec.portfolio.combine != "rank"
    before = schedule.decisions(spec.rebalance, spec.start, day - timedelta(days=1)) if learnt else []
    return [*before, day]


def left_out(note: str | None, spec: Spec) -> frozenset[str]:
    """Signals of a spec that an evening's note says were left out."""
    lines = (note or "").splitlines()
    return frozenset(s.name for s in spec.signals if any(line.startswith(f"without {s.name}: ") for line in lines))


def targets(
    database: Database, spec: Spec, signals: Mapping[str, Declared], day: date, without: frozenset[str], seen: Seen
) -> Targets:
    """Target weights at the close of a day, as a backtest decides them."""
    signals = {name: signal for name, signal in signals.items() if name not in without}
    if not signals:
        return Targets.nothing()
    own = spec.model_copy(
        update={"signals": tuple(one for one in spec.signals if one.name in signals), **_when(spec, day)}
    )
    found = read(database, own, signals, judged=False, load_id=seen.load_id, as_of=seen.as_of, also=(day,))
    inputs = found.inputs
    chosen = np.array([np.searchsorted(inputs.sessions[inputs.rows], np.datetime64(day))])
    weights = book(inputs, own.portfolio, composite(inputs, own, chosen), chosen)[0]
    return Targets(inputs.companies, weights, found.panel.load_id)


def _when(spec: Spec, day: date) -> dict[str, object]:
    """The decision alone; where weights are learnt, with all the decisions before it."""
    if spec.portfolio.combine == "rank":
        return {"rebalance": (day,), "start": day - timedelta(days=1), "end": day}
    return {"end": day}


def decision(tape: Tape, wanted: Targets, why: Occasion) -> Decision:
    """Targets on the companies of a tape, with the liquidity that is known at its end."""
    weights = np.zeros(len(tape.companies))
    weights[np.searchsorted(tape.companies, wanted.companies)] = wanted.weights
    known = known_liquidity(tape.market, np.array([tape.row]))
    return Decision(weights, type(known)(*(values[0] for values in known)), why.reason, why.note)
