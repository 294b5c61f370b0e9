"""`nexus demo`: the main job from an empty database to a registry and a page, resumed where it stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from nexus.cli.output import database, say

if TYPE_CHECKING:
    from nexus.db.engine import Database
    from nexus.signals.scores import Scorable

ROOT = Path(__file__).resolve().parents[2]
SIMULATED = {"NEXUS_UNIVERSE": "SIM500", "NEXUS_MARKET": "SIMX", "NEXUS_SECTORS": "SIM"}
MANY_ALIKE = {f"P6_{place}" for place in range(3, 20)}
"""Of twenty near-duplicates three show what the ledger says of them."""
TRADED = ("P1", "P4", "N0")
"""Judged on the simulated market when nothing real stands: two truths and one noise."""
PLANTED = ROOT / "research" / "planted_factors.py"


@click.command()
@click.option("--simulated", is_flag=True, help="The simulated market, also where the data pack is there.")
@click.option("--seed", default=0, show_default=True, help="Of the simulated market.")
def demo(simulated: bool, seed: int) -> None:
    """Ingest, evaluate, register, trade what stands; print the registry and write reports."""
    from nexus.cli import demo_trading
    from nexus.db import capabilities
    from nexus.settings import settings

    start = perf_counter()
    folder = settings().data_dir
    real = not simulated and (folder / "prices_daily_yf_2005_2024.parquet").is_file()
    own = configured = database()
    if real:
        data = f"Real data from {folder}"
        say(f"real data: the pack in {folder}")
    else:
        data = f"Simulated market, seed {seed}"
        say(f"simulated market, seed {seed}: " + ("as asked" if simulated else f"no data pack in {folder}"))
        own = _simulated(own, seed)
    with own.read() as connection:
        say(f"{own}: {capabilities.detect(connection)}")
    _ingest(own, folder, seed, real)
    _register(own, _factors(real))
    page = _report(own, data, real)
    say(f"report: {page.resolve().as_uri()}")
    names = demo_trading.standing(own)
    if not names:
        say("nothing stands, so nothing trades here: the backtest and the paper account are on the simulated market")
        own = _simulated(configured, seed)
        _ingest(own, folder, seed, False)
        _register(own, [factor for factor in _factors(False) if factor.name in TRADED])
        names = demo_trading.standing(own)
    demo_trading.trade(own, names, _factors(False), page.with_name("tearsheet.html"))
    say(f"done in {perf_counter() - start:.0f} s; a second run does only what is missing")


def _simulated(configured: Database, seed: int) -> Database:
    from nexus.ingest.simulated import NAME, simulated_database
    from nexus.settings import settings

    os.environ.update(SIMULATED)
    settings.cache_clear()
    return simulated_database(configured, NAME if seed == 0 else f"{NAME}_{seed}")


def _ingest(own: Database, folder: Path, seed: int, real: bool) -> None:
    from nexus.cli.progress import bar
    from nexus.ingest.run import ingest_all
    from nexus.ingest.simulated import ingest_simulated

    start = perf_counter()
    if real:
        with bar("ingest") as walk:
            loaded = ingest_all(own, folder, progress=walk)
    else:
        loaded = ingest_simulated(own, seed)
    inserted, rejected = sum(one.inserted for one in loaded), sum(one.rejected for one in loaded)
    say(f"ingest: {inserted:,} rows inserted, {rejected} rejected, in {perf_counter() - start:.0f} s")


def _register(own: Database, factors: Sequence[Scorable]) -> None:
    from nexus.cli.progress import bar
    from nexus.cli.signals import print_registry
    from nexus.db.evidence import evidence, ledger
    from nexus.report.words import summary
    from nexus.signals.available import available
    from nexus.signals.registry import listed, register, unregistered, verdicts

    start = perf_counter()
    missing = unregistered(own, available(own, factors))
    with bar("evaluate") as walk:
        register(own, missing, progress=walk)
    verdicts(own)
    print_registry(listed(own), as_json=False)
    with own.read() as connection:
        say(summary(evidence(connection), ledger(connection).m))
    say(f"registry: {len(missing)} factors evaluated and registered in {perf_counter() - start:.0f} s")


def _factors(real: bool) -> list[Scorable]:
    from nexus.signals.user import factors, from_file

    planted = [] if real else [factor for name, factor in from_file(PLANTED).items() if name not in MANY_ALIKE]
    return [*factors().values(), *planted]


def _report(own: Database, data: str, real: bool) -> Path:
    from nexus.report.registry import write
    from nexus.settings import settings

    notes = [REAL if real else PLANTS]
    return write(own, settings().reports_dir / ("real.html" if real else "simulated.html"), data=data, notes=notes)


REAL = (
    "No approved signal is expected here: a classical style factor's monthly IC has a standard deviation of .17 to "
    ".30, and members with prices are 56 % (2005) to 99 % (2023) of the index. The bar is not lowered for that. GICS "
    "sectors are dated after the last price: figures neutral to them are description only (tier C)."
)
PLANTS = (
    "The market is simulated and its truths are planted: P1 and P4 (at 126 sessions) are real, S is real and "
    "shows only where those who left are counted, P2 and P3 are small, D was real in its first half only, R is real in "
    "stressed markets only, B and N hold nothing; P5 are P1 by other names and P6 nearly so."
)
