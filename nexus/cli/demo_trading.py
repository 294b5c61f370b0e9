"""The end of the demo: a backtest of what stands, and a paper account's first evenings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.cli.output import say, table

if TYPE_CHECKING:
    from nexus.db.engine import Database
    from nexus.signals.scores import Scorable

NAME = "demo"
EVENINGS, SHOWN = 25, 8
MOST = 2
"""Signals that are traded together."""


def standing(own: Database) -> list[str]:
    """Names of the strongest approved signals, no two of one hypothesis."""
    from nexus.db import tradable
    from nexus.errors import RefusedError
    from nexus.signals.registry import listed

    approved = [signal.name for signal in listed(own) if signal.status == "approved"]
    chosen: dict[int, str] = {}
    with own.read() as connection:
        for name in approved:
            try:
                (one,) = tradable.signals(connection, [name])
            except RefusedError:
                continue
            chosen.setdefault(one.evaluation_id, name)
    return list(chosen.values())[:MOST]


def trade(own: Database, names: list[str], factors: Sequence[Scorable], page: Path) -> None:
    """Backtest `names` as approved, write the tear sheet, and run a paper account's first evenings; resumed."""
    from nexus.db import backtests
    from nexus.report.tearsheet import write

    with own.read() as connection:
        done = [one.backtest_id for one in backtests.listed(connection) if one.backtest.name == NAME]
    number = done[0] if done else _backtest(own, names)
    with own.read() as connection:
        figures = backtests.read(connection, number).backtest.figures
    lines = [(key, figures[key]) for key in ("cagr", "sharpe", "deflated_sharpe", "max_drawdown") if key in figures]
    table(lines, ["backtest of " + ", ".join(names), "net"])
    for note in figures.get("notes", []):
        say(note)
    say(f"tear sheet: {write(own, number, page).resolve().as_uri()}")
    _paper(own, number, factors)


def _backtest(own: Database, names: list[str]) -> int:
    from nexus.backtest.run import run
    from nexus.backtest.spec import Spec
    from nexus.cli.progress import bar
    from nexus.settings import settings

    first, last = _extent(own)
    spec = Spec.of(
        {
            "signals": [{"name": name} for name in names],
            "universe": settings().universe,
            "start": date(first.year + 2, 1, 1),
            "end": last,
        }
    )
    with bar("judge again") as walk:
        return run(own, spec, mode="as_approved", name=NAME, progress=walk).backtest_id


def _paper(own: Database, number: int, factors: Sequence[Scorable]) -> None:
    import numpy as np

    from nexus.db import paper
    from nexus.db.sessions import read_sessions
    from nexus.paper.accounts import open_account
    from nexus.paper.trader import run
    from nexus.settings import settings

    _, last = _extent(own)
    with own.read() as connection:
        there = {account.name for account in paper.accounts(connection)}
    if NAME not in there:
        days = read_sessions(own, settings().calendar).days
        start = days[days <= np.datetime64(last)][-EVENINGS].item()
        open_account(own, NAME, number, start=start)
    run(own, NAME, {factor.name: factor for factor in factors}, today=last)
    with own.read() as connection:
        curve = paper.curve(connection, paper.account(connection, NAME).account_id)
    rows = [
        (str(day), float(equity), float(cash), float(earned))
        for day, equity, cash, earned in zip(curve.sessions, curve.equity, curve.cash, curve.pnl, strict=True)
    ]
    table(rows[-SHOWN:], ["paper account demo", "equity", "cash", "earned"])


def _extent(own: Database) -> tuple[date, date]:
    from nexus.db.extent import price_extent

    first, last, _ = price_extent(own)
    return first, last
