"""`nexus ingest`: facts in, from files, a folder, a live source or a simulation."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import as_json_option, database, emit, say, table

if TYPE_CHECKING:
    from nexus.db.engine import Database
    from nexus.db.load import Loaded

KINDS = ("prices", "actions", "fundamentals", "events", "relations", "reference", "universe", "benchmarks")
COLUMNS = ["table", "source", "read", "inserted", "unchanged", "duplicates", "out of scope", "rejected", "seconds", ""]
DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def ingest() -> None:
    """Bring facts in, each with the moment it became known.

    Exit status 0: all rows were taken, or known already. 1: some were rejected; `nexus db query rejected_rows` says
    which and why. 2: the command could not be carried out.
    """


@ingest.command("all")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Folder of the data pack  [NEXUS_DATA_DIR]")
@as_json_option
def ingest_all(folder: Path | None, as_json: bool) -> None:
    """Ingest every file of the data pack; what was loaded before is skipped."""
    from nexus.cli.progress import bar
    from nexus.ingest.run import ingest_all as run
    from nexus.settings import settings

    with bar("ingest") as walk:
        loaded = run(database(), folder or settings().data_dir, progress=walk)
    _finish(loaded, as_json)


@ingest.command()
@click.option("--seed", default=0, show_default=True, help="Another seed is another market.")
@click.option("--database", "name", default=None, help="Database of its own to fill  [default: nexus_simulated]")
@as_json_option
def simulate(seed: int, name: str | None, as_json: bool) -> None:
    """Simulate a market with planted truths, in a database of its own."""
    from nexus.ingest.simulated import ingest_simulated, simulated_database

    own = simulated_database(database(), name)
    loaded = ingest_simulated(own, seed)
    say(f"in {own}")
    if not as_json:
        say(f"to work on it: {what_to_export(own)}")
    _finish(loaded, as_json)


@ingest.command()
@click.argument("source", type=click.Choice(["yahoo", "edgar"]))
@click.argument("identifiers", nargs=-1, required=True)
@click.option("--start", type=DAY, required=True, help="First day.")
@click.option("--end", type=DAY, default=None, help="Last day  [default: today]")
@as_json_option
def live(source: str, identifiers: tuple[str, ...], start: datetime, end: datetime | None, as_json: bool) -> None:
    """Fetch IDENTIFIERS (tickers; for edgar also CIKs) from a live source."""
    from nexus.ingest.live import ingest_live

    last = (end or datetime.now()).date()
    _finish(ingest_live(database(), source, identifiers, start.date(), last), as_json)


def _file_command(kind: str) -> click.Command:
    @click.option("--from", "path", type=click.Path(path_type=Path), required=True, help="Parquet or CSV file.")
    @click.option("--source", help="Name of the source in each row's key  [default: the file's name]")
    @click.option(
        "--known-at", "basis", type=click.Choice(["reported", "assumed", "backdated"]), default="reported",
        show_default=True, help="How the source's known_at came about; backdated makes a factor tier C.",
    )  # fmt: skip
    @click.option("--preference", default=100, show_default=True, help="Lower is preferred where sources compete.")
    @click.option("--licence", help="Kept with the source.")
    @as_json_option
    def command(
        path: Path, as_json: bool, source: str | None, basis: str, preference: int, licence: str | None
    ) -> None:
        from nexus.ingest.run import ingest_file

        loaded = ingest_file(
            database(), kind, path, source=source, known_at_basis=basis, preference=preference, licence=licence
        )
        _finish(loaded, as_json)

    command.__doc__ = f"Ingest {kind} from a file of yours."
    return KindCommand(kind, command)


class KindCommand(click.Command):
    """A command whose help ends with the documented columns of its kind."""

    def __init__(self, kind: str, callback: Any) -> None:
        parameters = list(reversed(callback.__click_params__))
        super().__init__(kind, callback=callback, help=callback.__doc__, params=parameters)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the columns."""
        from nexus.ingest.columns import KINDS as SPECIFICATIONS

        kind = SPECIFICATIONS[str(self.name)]
        with formatter.section("Columns"):
            formatter.write_dl(
                [(f"{c.name} ({c.type}{', required' if c.required else ''})", c.meaning) for c in kind.columns]
            )


for _kind in KINDS:
    ingest.add_command(_file_command(_kind))


def what_to_export(own: Database) -> str:
    """What to export so that other commands use a simulated market; no password."""
    from nexus.cli.demo import SIMULATED
    from nexus.settings import settings

    name = str(own.url.database)
    where = {"NEXUS_DATABASE": name} if not settings().database_url else {}
    words = " ".join(f"{key}={value}" for key, value in {**where, **SIMULATED}.items())
    return f"export {words}" + ("" if where else f", and end NEXUS_DATABASE_URL in /{name}")


def _finish(loaded: list[Loaded], as_json: bool) -> None:
    from dataclasses import asdict

    from nexus.ingest.run import exit_status

    if as_json:
        emit([asdict(one) for one in loaded])
    else:
        table([_row(one) for one in loaded], COLUMNS)
        _totals(loaded)
    raise click.exceptions.Exit(exit_status(loaded))


def _row(one: Loaded) -> tuple[Any, ...]:
    remark = "known already" if one.already and not one.retried else "rejected rows tried again" if one.retried else ""
    return (one.table, one.source, one.read, one.inserted, one.unchanged, one.duplicates, one.out_of_scope,
            one.rejected, round(one.seconds, 2), remark)  # fmt: skip


def _totals(loaded: list[Loaded]) -> None:
    inserted, rejected = sum(one.inserted for one in loaded), sum(one.rejected for one in loaded)
    if rejected:
        say(f"{inserted:,} rows inserted, {rejected:,} rejected: nexus db query rejected_rows")
    else:
        say(f"{inserted:,} rows inserted" if inserted else "nothing changed")
