"""`nexus db`: the database itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from nexus.cli.output import as_json_option, say, table


@click.group()
def db() -> None:
    """Start, upgrade and question the database."""


@db.command()
def up() -> None:
    """Start the embedded server (unless NEXUS_DATABASE_URL is set), create the database and bring it to head."""
    from nexus.db import admin
    from nexus.db.engine import Database

    database = Database.configured()
    admin.create_if_missing(database)
    admin.upgrade(database)
    _print_status()


@db.command()
def down() -> None:
    """Stop the embedded server; its data stay."""
    from nexus.db import embedded
    from nexus.settings import settings

    if settings().database_url:
        say("NEXUS_DATABASE_URL names a server of yours: nexus does not stop it")
    else:
        say("stopped" if embedded.stop(settings().cluster_dir) else "was not running")


@db.command()
@click.option("--revision", default="head", show_default=True, help="Revision to go up to.")
def upgrade(revision: str) -> None:
    """Bring the schema up; a second time is a no-op."""
    from nexus.db import admin
    from nexus.db.engine import Database

    admin.upgrade(Database.configured(), revision)
    _print_status()


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the schema down to REVISION; the ledger refuses while it holds evaluations."""
    from nexus.db import admin
    from nexus.db.engine import Database

    admin.downgrade(Database.configured(), revision)
    say(f"at {revision}; functions and views stay dropped until `nexus db upgrade`")


@db.command()
def status() -> None:
    """Say which server, tier and revision, and how much it holds."""
    _print_status()


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS go to psql."""
    from nexus.db import embedded
    from nexus.db.engine import Database

    database = Database.configured()
    raise click.exceptions.Exit(subprocess.call([embedded.binary("psql"), database.dsn, *arguments]))


@db.command()
@click.argument("name", required=False)
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write the answer here instead.")
@as_json_option
def query(name: str | None, csv_path: Path | None, as_json: bool) -> None:
    """Ask one of the questions under sql/queries/; without NAME, list them."""
    from nexus.db import questions

    if name is None:
        table(questions.titles(), ["query", "what it answers"], as_json)
        return
    answer = questions.ask(name)
    if csv_path:
        answer.write_csv(csv_path)
        say(f"{len(answer.rows)} rows in {csv_path}")
    else:
        table(answer.rows, answer.columns, as_json)


def _print_status() -> None:
    from nexus.db import admin
    from nexus.db.engine import Database

    found = admin.status(Database.configured())
    behind = "" if found.revision == found.head else f" (head is {found.head}: run `nexus db upgrade`)"
    say(f"database    {found.url}")
    say(f"server      {found.capabilities}")
    say(f"revision    {found.revision or 'none'}{behind}")
    say(f"holds       {found.loads:,} loads, {found.evaluations:,} evaluations")
