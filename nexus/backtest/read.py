"""From the database to the inputs of a backtest: one panel, published scores, and prices by the latest knowledge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from nexus.backtest.inputs import Inputs, decision_rows
from nexus.backtest.spec import Spec
from nexus.backtest.tape import FIELDS, market_of, tradable
from nexus.db.declared import Declared
from nexus.db.engine import Database
from nexus.db.extent import price_extent
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.maths.types import Bools, Dates, Floats, Ints
from nexus.settings import settings
from nexus.signals import exposures as exposed
from nexus.signals.ground import Choice
from nexus.signals.published import Published, inputs_of, published
from nexus.signals.rebalance import rebalance_dates
from nexus.signals.scores import PRICED, members, sectors
from nexus.signals.survey import open_panel

FACTORS = ("MKT_RF", "SMB", "HML", "RMW", "CMA")
RISK_FREE = "RF"


@dataclass(frozen=True)
class Read:
    """What a run needs, as it was known.

    inputs : of the companies that are ever members; its decisions are all that may be learnt from or judged
    scores : of all companies of the panel, by declaration, on the days that decisions or judgements need
    level : (n_sessions,), of the market's benchmark, NaN unknown
    risk_free : (n_sessions,), return a session; None: unknown
    factors : (n_sessions, 5), returns of the five factors; None: unknown
    """

    panel: Panel
    scores: Published
    inputs: Inputs
    level: Floats
    risk_free: Floats | None
    factors: Floats | None


def read(
    database: Database,
    spec: Spec,
    signals: Mapping[str, Declared],
    *,
    judged: bool,
    load_id: int | None = None,
    as_of: datetime | None = None,
    also: Sequence[date] = (),
) -> Read:
    """Read what a spec trades on.

    signals : by the name that the spec gives them
    judged : whether the signals will be judged again, which takes all their history
    also : sessions to decide on besides the spec's
    load_id, as_of : for a replay

    Raises
    ------
    InputError
        When there are no prices, nobody is in the universe, or a signal has no published scores on a decision.
    """
    history = judged or spec.portfolio.combine != "rank"
    panel = _panel(database, spec, signals, Choice(None if history else spec.start, None, load_id, as_of))
    last = panel.ahead.market_last
    sessions = panel.sessions[: last + 1]
    first = max(spec.start, sessions[0].item()) if spec.portfolio.combine == "rank" else sessions[0].item()
    decisions = decision_rows(sessions, spec.rebalance, first, spec.end)
    decisions = np.union1d(decisions, np.searchsorted(sessions, np.array(also, "datetime64[D]")))
    own = decision_rows(sessions, spec.rebalance, spec.start, spec.end)
    wanted = {name: signal for name, signal in signals.items() if judged}
    days = _days(sessions, decisions, {signal.rebalance for signal in wanted.values()})
    scores = published(
        database, panel, {s.declaration_no: s for s in signals.values()}, days, betas="beta" in spec.portfolio.neutral
    )
    _check(signals, scores, sessions[own], judged)
    rows = np.searchsorted(scores.days, sessions[decisions])
    return Read(
        panel, scores, _inputs(panel, spec, signals, scores, sessions, decisions, rows), *_references(panel, last)
    )


def _panel(database: Database, spec: Spec, signals: Mapping[str, Declared], choice: Choice) -> Panel:
    extent = price_extent(database, choice.load_id)
    if spec.start >= extent.last or spec.end <= extent.first:
        raise InputError(
            f"backtest: no prices between {spec.start} and {spec.end}; there are some from {extent.first} to "
            f"{extent.last}"
        )
    wanted = {f"prices.{name}" for name in FIELDS} | inputs_of({s.declaration_no: s for s in signals.values()})
    if spec.universe != PRICED:
        wanted.add(f"universe_members.{spec.universe}")
    if "beta" in spec.portfolio.neutral:
        wanted.update(exposed.INPUTS)
    if "sector" in spec.portfolio.neutral:
        wanted.add(f"classifications.{settings().sectors}")
    wanted |= {f"benchmarks.{name}" for name in (settings().market, RISK_FREE, *FACTORS) if name in extent.series}
    return open_panel(database, wanted, choice)


def _days(sessions: Dates, decisions: Ints, rules: Iterable[str]) -> Dates:
    """Days on which scores are wanted: the decisions, and all rebalance dates of the rules that will be judged."""
    dates = [rebalance_dates(sessions, sessions[-1], rule) for rule in rules]
    return np.unique(np.concatenate([sessions[decisions], *dates]))


def _check(signals: Mapping[str, Declared], scores: Published, own: Dates, judged: bool) -> None:
    """Refuse decisions without scores, but where a condition does not hold, or before a signal that is judged began."""
    for name, signal in signals.items():
        there = scores.days[np.isfinite(scores.scores[signal.declaration_no]).any(axis=1)]
        silent = ~np.isin(own, there) & (not judged or not len(there) or own > there[0])
        if silent.any() and (signal.condition is None or silent.all()):
            span = f"there are some from {there[0]} to {there[-1]}" if len(there) else "there are none in these years"
            raise InputError(
                f"signal {name}: no published scores on {own[silent][0]} ({silent.sum()} of {len(own)} decisions); "
                f"{span}, {signal.rebalance}: choose such days, or publish more with `nexus signals register {name}`"
            )


def _inputs(
    panel: Panel,
    spec: Spec,
    signals: Mapping[str, Declared],
    scores: Published,
    sessions: Dates,
    decisions: Ints,
    rows: Ints,
) -> Inputs:
    days = sessions[decisions].tolist()
    inside = scores.members.get(spec.universe)
    inside = members(panel, days, spec.universe) if inside is None else inside[rows]
    columns = np.flatnonzero(inside.any(axis=0))
    if not len(columns):
        raise InputError(
            f"universe {spec.universe}: nobody is in it on any decision from {days[0]} to {days[-1]}; ingest its "
            "membership, or name another"
        )
    market = market_of(panel.ahead, len(sessions), columns, panel.companies)
    able = inside[:, columns] & tradable(market, decisions)
    nobody = inside.any(axis=1) & ~able.any(axis=1)
    if nobody.any():
        raise InputError(
            f"universe {spec.universe}: none of its members has a price and a volume by {days[int(nobody.argmax())]}"
        )
    known = scores.exposures
    values = {name: scores.scores[s.declaration_no][rows][:, columns] for name, s in signals.items()}
    conditional = [name for name, signal in signals.items() if signal.condition is not None]
    on: dict[str, Bools] = {name: np.asarray(np.isfinite(values[name]).any(axis=1)) for name in conditional}
    made = Inputs(
        sessions,
        panel.companies[columns],
        market,
        decisions,
        values,
        able,
        sectors(panel, days)[:, columns] if "sector" in spec.portfolio.neutral else None,
        known.beta[rows][:, columns] if known is not None and "beta" in spec.portfolio.neutral else None,
        on,
    )
    if spec.portfolio.combine == "rank":
        return made
    return replace(made, earned=_earned(panel, sessions, decisions)[:, columns])


def _earned(panel: Panel, sessions: Dates, decisions: Ints) -> Floats:
    """Return from the close after each decision to the close after the next, as known at the first decision after that.

    Unknown for the last two decisions, and for whoever has no bar at the entry.
    """
    out = np.full((len(decisions), len(panel.companies)), np.nan)
    for k in range(len(decisions) - 2):
        entry, leave, now = decisions[k] + 1, decisions[k + 1] + 1, decisions[k + 2]
        view = panel.at(sessions[now])
        returns = view.returns(int(now - entry))[: leave - entry]
        entered = np.isfinite(view.prices("close", int(now - entry + 1))[0])
        out[k] = np.where(entered, np.prod(1 + np.nan_to_num(returns), axis=0) - 1, np.nan)
    return out


def _references(panel: Panel, last: int) -> tuple[Floats, Floats | None, Floats | None]:
    there = {name.removeprefix("benchmarks.") for name in panel.inputs.names if name.startswith("benchmarks.")}

    def series(name: str) -> Floats:
        return panel.ahead.benchmark(name)[: last + 1]

    level = series(settings().market) if settings().market in there else np.full(last + 1, np.nan)
    factors = np.column_stack([series(name) for name in FACTORS]) if there >= set(FACTORS) else None
    return level, series(RISK_FREE) if RISK_FREE in there else None, factors
