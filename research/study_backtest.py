"""What the gate kept out of the account: every registered signal on the real pack, net of costs.

    NEXUS_DATA_DIR=... make demo && python research/study_backtest.py

First as approved: at each year-end all signals are judged on what was known then, and only what passes is traded in the
year after. Then each signal alone, as an exploratory run: what the rejected ones would have earned. All runs are
recorded, so this study counts what it tries. Deciles, long and short, monthly, at the costs of a spec that names none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import click
import numpy as np

from nexus.backtest.approvals import Mode
from nexus.backtest.run import Ran
from nexus.backtest.run import run as backtest
from nexus.backtest.spec import Spec
from nexus.cli.output import database, say, table
from nexus.cli.progress import bar
from nexus.cli.run import run
from nexus.db.engine import Database
from nexus.db.extent import price_extent
from nexus.db.factor_values import published
from nexus.db.registry import Signal
from nexus.errors import NexusError
from nexus.settings import settings
from nexus.signals.judge import LEAST_NAMES
from nexus.signals.registry import listed

REASON = "study: what a signal that the gate rejects would have earned net of costs"
COLUMNS = ["signal", "from", "years", "gross SR", "net SR", "t", "deflated SR", "net CAGR %", "drawdown %",
           "turnover", "costs %", "of it impact", "capacity", "alpha5 %", "alpha5 t", "verdict t"]  # fmt: skip
DAY = click.DateTime(["%Y-%m-%d"])
CAVEAT = """\
Read with care. The prices are of companies that were in the index at some time and still listed in March 2024: 56 % of
2005's members have one, 77 % of 2015's, 99 % of 2023's. Who went bankrupt or was bought is missing, and no delisting is
seen. That flatters whatever buys what looks distressed (losers, high volatility, low quality) and harms whatever sells
it short: the missing companies are those on which it would have earned. Universe and scores are point-in-time, so
nobody is held before joining the index; but the figures of the early years are those of survivors, and no cost model
repairs that. All of it is in-sample: these factors are published, and whoever runs this has read the papers."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--start", type=DAY, default="2006-01-01", help="First day of decisions.")
@click.option("--end", type=DAY, help="Last day  [default: the last with prices]")
def main(names: tuple[str, ...], start: datetime, end: datetime | None) -> None:
    """Run signals NAMES (all of the default universe, without one) as approved together, and each alone."""
    own = database()
    last = end.date() if end else price_extent(own).last
    chosen = [one for one in listed(own) if (one.name in names if names else "@" not in one.name)]
    everything = spec([one.name for one in chosen], start.date(), last)
    say(f"{len(chosen)} signals on {settings().universe}, {start:%Y-%m-%d} to {last}")
    as_approved(own, everything)
    with bar("backtest") as walk:
        rows = [row for one in walk(chosen) if (row := alone(own, one, start.date(), last)) is not None]
    say(f"EXPLORATORY: {REASON}")
    table(sorted(rows, key=lambda row: -(row[4] or 0)), COLUMNS)
    say("EXPLORATORY: t is that of the net returns per session; verdict t that of the rank IC the gate judged")
    for line in CAVEAT.splitlines():
        say(line)


def as_approved(own: Database, everything: Spec) -> None:
    """The published figure: what the gate would have let through, or its refusal and the years looked at."""
    try:
        done = recorded(own, everything, "as_approved", None)
    except NexusError as refused:
        say(f"as approved today: refused. {str(refused).split(';')[0]}; and so on" if len(everything.signals) > 1
            else f"as approved today: refused. {refused}")  # fmt: skip
        done = recorded(own, everything, "as_approved", "study: whether anything would have stood in any year")
    years: dict[str, Sequence[str]] = done.backtest.figures["approved"]
    stood = {year: found for year, found in years.items() if found}
    kind = "" if done.backtest.reason is None else "EXPLORATORY "
    say(f"{kind}backtest {done.backtest_id}: of {len(years)} year-ends, {len(stood)} with anything approved: "
        f"{stood or 'cash throughout'}")  # fmt: skip


def alone(own: Database, signal: Signal, start: date, end: date) -> list[Any] | None:
    """One signal from the first day on which it scores enough names, as a row of the table."""
    with own.read() as connection:
        span = published(connection, signal.factor, signal.version, LEAST_NAMES)
    if span is None:
        say(f"EXPLORATORY {signal.name}: never {LEAST_NAMES} names")
        return None
    first = max(start, span[0] - timedelta(1))
    try:
        done = recorded(own, spec([signal.name], first, end), "fixed", REASON)
    except NexusError as error:
        say(f"EXPLORATORY {signal.name}: {error}")
        return None
    found = done.backtest.figures
    five = found["factors"] or {"alpha": None, "alpha_t": None}
    years = found["sessions"] / 252
    return [
        signal.name, done.backtest.first_session, years, found["gross_sharpe"], found["sharpe"],
        None if found["sharpe"] is None else found["sharpe"] * np.sqrt(years), found["deflated_sharpe"],
        100 * found["cagr"], 100 * found["max_drawdown"], found["turnover"], 100 * sum(found["costs"].values()),
        100 * found["costs"]["impact"], found["capacity"], _per_cent(five["alpha"]), five["alpha_t"], signal.t_stat,
    ]  # fmt: skip


def spec(names: Sequence[str], start: date, end: date) -> Spec:
    """Deciles of the default universe, everything else as a spec has it that does not say."""
    signals = [{"name": name} for name in names]
    return Spec.of({"signals": signals, "universe": settings().universe, "start": start, "end": end})


def recorded(own: Database, spec: Spec, mode: Mode, reason: str | None) -> Ran:
    """Run and record."""
    with bar("judge again") as walk:
        return backtest(own, spec, mode=mode, exploratory_reason=reason, progress=walk)


def _per_cent(value: float | None) -> float | None:
    return None if value is None else 100 * value


if __name__ == "__main__":
    run(main)
