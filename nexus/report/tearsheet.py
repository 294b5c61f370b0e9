"""The tear sheet of a recorded run: one self-contained page, and its drawings as PNG files in a folder beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.db import backtests, tradable
from nexus.db.backtests import Recorded
from nexus.db.companies import sectors
from nexus.db.curve import COSTS, Curve
from nexus.db.engine import Database
from nexus.db.evidence import Ledger, ledger
from nexus.errors import InputError
from nexus.report import account, interactive, still
from nexus.report.chart import Chart, Stamp
from nexus.report.page import write_page
from nexus.report.story import opening, verdict

FIGURES = (
    ("growth a year", "cagr", "%+.2f %%", 100), ("volatility a year", "volatility", "%.2f %%", 100),
    ("Sharpe ratio", "sharpe", "%.2f", 1), ("Sharpe ratio before costs", "gross_sharpe", "%.2f", 1),
    ("Sortino ratio", "sortino", "%.2f", 1), ("deepest drawdown", "max_drawdown", "%.2f %%", 100),
    ("longest drawdown, sessions", "drawdown_sessions", "%d", 1), ("turnover a year, one way", "turnover", "%.2f", 1),
    ("gross exposure, mean", "gross", "%.2f", 1), ("net exposure, mean", "net", "%+.2f", 1),
    ("sessions", "sessions", "%d", 1),
)  # fmt: skip
"""Label, key, printf form and factor of the lines of the table of figures."""
NEEDED = {"approved", "by_company", "by_signal", "capacity_curve", "market", "signals", "trials"}
PARTS = {"whole": None, "in-sample selection": "in_sample", "after the selection": "out_of_sample"}


@dataclass(frozen=True)
class Facts:
    """Of one run, read in one transaction.

    lost : signals that have lost their approval since, and why
    """

    run: Recorded
    curve: Curve
    n_trades: int
    sectors: Mapping[int, str]
    lost: Mapping[str, str]
    ledger: Ledger


def write(database: Database, backtest_id: int, path: Path) -> Path:
    """Write the tear sheet of a run to `path`, and its drawings to the folder of that name without ending.

    path : `.html` is added where it has no ending

    Raises
    ------
    InputError
        When there is no run of that number, or its row does not tell what is drawn.
    """
    path = path if path.suffix else path.with_suffix(".html")
    facts = _read(database, backtest_id)
    told, figures = facts.run.backtest, facts.run.backtest.figures
    stamp = Stamp(f"nexus backtest {backtest_id}: {told.name}", told.reason, told.selection_cut)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    groups = {
        "Through time": account.through_time(facts.curve),
        "Capacity": account.by_capital(figures),
        "Contribution": [
            *account.by_signal(figures),
            *account.by_sector(figures, facts.sectors, float(facts.curve.equity[0])),
        ],
    }
    return write_page(
        "tearsheet.html",
        path,
        facts=facts,
        run=facts.run,
        told=told,
        figures=figures,
        stamp=stamp,
        opening=opening(facts.run),
        parts=_parts(figures),
        costs=COSTS,
        lines=FIGURES,
        regressions=list(_regressions(figures)),
        verdicts=[verdict(one, figures["signals"][one.signal]) for one in facts.run.signals],
        spec=sorted(_flat(told.spec)),
        groups={name: [_drawn(chart, stamp, folder) for chart in charts] for name, charts in groups.items() if charts},
    )


def _read(database: Database, backtest_id: int) -> Facts:
    with database.read() as connection:
        run = backtests.read(connection, backtest_id)
        if missing := NEEDED - run.backtest.figures.keys():
            raise InputError(
                f"backtest {backtest_id}: its row does not tell {', '.join(sorted(missing))}, so it was not recorded "
                "by this version; run its spec again"
            )
        return Facts(
            run=run,
            curve=backtests.curve(connection, backtest_id),
            n_trades=len(backtests.trades(connection, backtest_id).companies),
            sectors=sectors(connection, [int(company) for company in run.backtest.figures["by_company"]]),
            lost={} if run.exploratory else tradable.lost(connection, backtest_id),
            ledger=ledger(connection),
        )


def _parts(figures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Figures by what they are of; those of a run that is all in-sample selection are told once, and called so."""
    parts = {head: figures if key is None else figures[key] for head, key in PARTS.items()}
    there = {head: part for head, part in parts.items() if part is not None}
    if "after the selection" not in there and "in-sample selection" in there:
        del there["whole"]
    return there


def _drawn(chart: Chart, stamp: Stamp, folder: Path) -> Mapping[str, Any]:
    picture = still.save(chart, stamp, folder).read_bytes()
    return {"chart": chart, "json": interactive.drawn(chart, stamp), "png": b64encode(picture).decode()}


def _regressions(figures: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """On the market alone and on all factors, where their returns were known."""
    for name, key, factors in (
        ("the market", "market", ["market"]),
        ("the factors", "factors", figures["factor_names"]),
    ):
        found = figures[key]
        if found is not None:
            slopes = list(zip(factors, found["betas"], found["betas_t"], strict=True))
            yield {"on": name, "found": found, "slopes": slopes}


def _flat(spec: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Keys with dots and values of a nested document; what is left out does not bind and is not listed."""
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from _flat(value, f"{place}.{key}" if place else key)
    elif isinstance(spec, Sequence) and not isinstance(spec, str) and any(isinstance(one, Mapping) for one in spec):
        yield place, ", ".join(" x ".join(map(_word, one.values())) for one in spec)
    elif spec not in (None, []):
        yield place, ", ".join(map(str, spec)) if isinstance(spec, list) else _word(spec)


def _word(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
