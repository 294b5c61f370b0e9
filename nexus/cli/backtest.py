"""`nexus backtest`: trade what passed on history, with costs; look at what did not only as EXPLORATORY."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import as_json_option, database, emit, say, table

if TYPE_CHECKING:
    from nexus.db.backtests import Recorded

EXPLORATORY = "EXPLORATORY"
KINDS = ("commission", "spread", "impact", "borrow")
PER_CENT = ("cagr", "volatility", "max_drawdown")
PARTS = {"all": None, "in sample": "in_sample", "out of sample": "out_of_sample"}
LINES = (
    "sessions", "cagr", "volatility", "sharpe", "gross_sharpe", "sortino", "max_drawdown", "drawdown_sessions",
    "turnover", "gross", "net",
)  # fmt: skip


@click.group()
def backtest() -> None:
    """Trade what passed on history, with costs."""


@backtest.command()
@click.argument("path", metavar="SPEC", type=click.Path(path_type=Path))
@click.option("--exploratory", is_flag=True, help="Look at signals that do not stand; the run is marked for ever.")
@click.option("--because", help="Why; with --exploratory.")
@click.option(
    "--mode",
    type=click.Choice(["as_approved", "fixed"]),
    help="as_approved: in each year only what the gate would have let through before it (default; fixed with "
    "--exploratory).",
)
@click.option("--name", help="What to call the run  [default: its signals and universe]")
@as_json_option
def run(path: Path, exploratory: bool, because: str | None, mode: Any, name: str | None, as_json: bool) -> None:
    """Run SPEC, a .toml or .json file, and record it; its table `variants` lists what else to try."""
    from nexus.backtest.run import run as trade
    from nexus.backtest.variants import read
    from nexus.cli.progress import bar

    if exploratory != (because is not None):
        raise click.UsageError('an exploratory run says why: --exploratory --because "..."')
    spec, variants = read(path)
    with bar("judge again") as walk:
        done = trade(
            database(), spec, mode=mode, exploratory_reason=because, variants=variants, name=name, progress=walk
        )
    print_run(recorded(done.backtest_id), as_json)


@backtest.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List the runs, newest first."""
    from nexus.db.backtests import listed

    with database().read() as connection:
        runs = listed(connection)
    rows = [
        (one.backtest_id, f"{one.created_at:%Y-%m-%d %H:%M}", mark(one), one.backtest.name, one.backtest.mode,
         one.backtest.first_session, one.backtest.last_session, one.backtest.figures.get("sharpe"),
         one.backtest.figures.get("deflated_sharpe"), one.backtest.figures.get("max_drawdown"))
        for one in runs
    ]  # fmt: skip
    columns = ["id", "recorded", "kind", "name", "mode", "from", "to", "Sharpe", "deflated", "drawdown"]
    table(rows, columns, as_json)


@backtest.command()
@click.argument("number", metavar="ID", type=int)
@as_json_option
def show(number: int, as_json: bool) -> None:
    """Print everything that is told of run ID."""
    print_run(recorded(number), as_json)


@backtest.command()
@click.argument("numbers", metavar="ID ID", type=int, nargs=-1, required=True)
@as_json_option
def compare(numbers: tuple[int, ...], as_json: bool) -> None:
    """Set runs side by side: figures, what their specs do not share, correlation of returns."""
    from nexus.backtest.compare import FIGURES
    from nexus.backtest.compare import compare as beside

    found = beside(database(), numbers)
    heads = [" ".join(filter(None, [str(one.backtest_id), mark(one)])) for one in found.runs]
    rows = [[name, *(one.backtest.figures.get(name) for one in found.runs)] for name in FIGURES]
    rows += [[key, *values] for key, values in found.differences.items()]
    rows += [[f"correlation with {head}", *line] for head, line in zip(heads, found.correlation.tolist(), strict=True)]
    table(rows, ["", *heads], as_json)


@backtest.command()
@click.argument("number", metavar="ID", type=int)
@as_json_option
def reproduce(number: int, as_json: bool) -> None:
    """Run ID again on exactly its loads, and compare to the cent; status 1 where it differs."""
    from dataclasses import asdict

    from nexus.backtest.reproduce import reproduce as again
    from nexus.cli.progress import bar

    one = recorded(number)
    with bar("judge again") as walk:
        found = again(database(), number, walk)
    if as_json:
        emit({"reproduced": found.reproduced, "exploratory": one.exploratory, **asdict(found)})
    else:
        say(" ".join(filter(None, [mark(one), str(found)])))
    raise click.exceptions.Exit(int(not found.reproduced))


@backtest.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--to", "path", type=click.Path(path_type=Path), help="Page to write  [default: among the reports]")
def tearsheet(number: int, path: Path | None) -> None:
    """Write the tear sheet of run ID: a page for any browser, and its drawings as PNG files beside it."""
    from nexus.report.tearsheet import write
    from nexus.settings import settings

    page = write(database(), number, path or settings().reports_dir / f"backtest-{number}.html")
    say(" ".join(filter(None, [mark(recorded(number)), page.resolve().as_uri()])))


def recorded(number: int) -> Recorded:
    """The run of that number."""
    from nexus.db.backtests import read

    with database().read() as connection:
        return read(connection, number)


def mark(one: Recorded) -> str:
    """EXPLORATORY, or nothing."""
    return EXPLORATORY if one.exploratory else ""


def print_run(one: Recorded, as_json: bool) -> None:
    """Print a run, each line of an exploratory one marked."""
    from dataclasses import asdict

    if as_json:
        emit({"backtest_id": one.backtest_id, "created_at": one.created_at, "exploratory": one.exploratory,
              **asdict(one.backtest), "signals": [asdict(signal) for signal in one.signals]})  # fmt: skip
        return
    prefix = f"{EXPLORATORY}  " if one.exploratory else ""
    for line in lines(one):
        say(f"{prefix}{line}")


def lines(one: Recorded) -> list[str]:
    """A run as text; what its row does not tell is left out."""
    told, figures = one.backtest, one.backtest.figures
    head = f"backtest {one.backtest_id}: {told.name}, {told.mode}, {told.first_session} to {told.last_session}"
    approved = figures.get("approved")
    return [
        head,
        *([f"because: {told.reason}"] if told.reason else []),
        *(f"signal {line}" for line in _signals(one)),
        *([f"in-sample selection up to {told.selection_cut}, the latest approval"] if told.selection_cut else []),
        *_parts(figures),
        *(f"costs a year, {kind}: {100 * figures['costs'][kind]:.3f} %" for kind in KINDS if "costs" in figures),
        *(_regression(name, figures) for name in ("market", "factors") if figures.get(name)),
        *(_luck(figures, told.variants) if "trials" in figures else []),
        *([_years(approved)] if approved is not None else []),
        *(f"note: {note}" for note in figures.get("notes", [])),
    ]


def _signals(one: Recorded) -> list[str]:
    told = one.backtest.figures.get("signals", {})
    out = []
    for signal in one.signals:
        verdict = told.get(signal.signal)
        said = "" if verdict is None else (
            f"{verdict['status']}, {verdict['reason']}, t {_figure(verdict['t_stat'])}, M = {verdict['m']}, "
            f"detectable IC {_figure(verdict['detectable_ic'])}, "
        )  # fmt: skip
        out.append(f"{signal.signal} x {signal.weight:g}: {said}evaluation {signal.evaluation_id}")
    return out


def _parts(figures: Any) -> list[str]:
    parts = {head: figures if key is None else figures.get(key) for head, key in PARTS.items()}
    there = {head: part for head, part in parts.items() if part}
    names = [name for name in LINES if name in figures]
    heads = "  ".join(["net of costs".ljust(20), *(head.rjust(14) for head in there)])
    rows = ["  ".join([name.ljust(20), *(_value(name, part).rjust(14) for part in there.values())]) for name in names]
    return [heads, *rows] if rows else []


def _luck(figures: Any, variants: int) -> list[str]:
    trials, capacity = figures["trials"], figures["capacity"]
    return [
        f"probabilistic Sharpe {_figure(figures['probabilistic_sharpe'])}, deflated "
        f"{_figure(figures['deflated_sharpe'])} by N = {trials['number']} trials ({trials['ledger']} in the ledger, "
        f"{trials['backtests']} of backtests)",
        f"probability of overfitting over {variants} variants: {_figure(figures['pbo'])}",
        f"capacity: {capacity:,.0f}" if capacity else f"capacity: none, {figures['capacity_why']}",
    ]


def _years(approved: Any) -> str:
    stood = [f"{year} {'+'.join(names)}" for year, names in sorted(approved.items()) if names]
    return f"approved at the year-end before: {', '.join(stood) or 'nothing in any year'}"


def _regression(name: str, figures: Any) -> str:
    found = figures[name]
    factors = figures["factor_names"] if name == "factors" else ["beta"]
    betas = ", ".join(f"{factor} {beta:.2f}" for factor, beta in zip(factors, found["betas"], strict=True))
    return f"against the {name}: alpha {100 * found['alpha']:.2f} % a year (t {_figure(found['alpha_t'])}), {betas}"


def _value(name: str, part: Any) -> str:
    value = part[name]
    return f"{100 * value:.2f} %" if name in PER_CENT else _figure(value)


def _figure(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,d}" if isinstance(value, int) else f"{value:.3g}"
