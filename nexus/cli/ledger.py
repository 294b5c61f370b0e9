"""`nexus ledger`: carry the record of all trials from one database to another, chain and counts kept."""

from __future__ import annotations

from pathlib import Path

import click

from nexus.cli.output import database, say


@click.group()
def ledger() -> None:
    """Export and import the record of all trials."""


@ledger.command("export")
@click.argument("path", type=click.Path(path_type=Path))
def export(path: Path) -> None:
    """Write the ledger to PATH, a zip file with one CSV a table."""
    from nexus.db.ledger_archive import export_ledger

    say(f"{path}: head {export_ledger(database(), path)}")


@ledger.command("import")
@click.argument("path", type=click.Path(path_type=Path))
def import_(path: Path) -> None:
    """Fill an empty ledger from PATH; refused where the ledger holds anything, or the chain does not hold."""
    from nexus.db.ledger_archive import import_ledger

    say(f"head {import_ledger(database(), path)}")
