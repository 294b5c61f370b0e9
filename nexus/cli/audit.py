"""`nexus audit`: is everything there, unchanged, and blind to the future?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from nexus.cli.output import as_json_option, database, emit, say, table

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def audit() -> None:
    """Check facts, the ledger and factors for what should not be. Exit status 1: something was found."""


@audit.command()
@as_json_option
def facts(as_json: bool) -> None:
    """Compare the rows of every load with what the load recorded."""
    from nexus.db.facts_audit import audit_facts

    found = audit_facts(database())
    rows = [(one.table, one.load_id, one.recorded, one.found) for one in found]
    if found or as_json:
        table(rows, ["table", "load", "rows recorded", "rows found"], as_json)
    else:
        say("facts: every load has the rows it recorded")
    raise click.exceptions.Exit(int(bool(found)))


@audit.command()
@click.option(
    "--head", "known", metavar="N:HASH", help="A head you noted before: the chain must still pass through it."
)
@as_json_option
def ledger(known: str | None, as_json: bool) -> None:
    """Recompute the ledger's chain: an edited, missing or reordered row is found."""
    from nexus.db.ledger_audit import head, verify

    own = database()
    found = verify(own, known)
    with own.read() as connection:
        now = head(connection)
    if as_json:
        emit({"head": now, "findings": [{"where": one.where, "what": one.what} for one in found]})
    else:
        for one in found:
            say(f"{one.where}: {one.what}")
        say(f"ledger: {len(found)} findings; head {now}")
    raise click.exceptions.Exit(int(bool(found)))


@audit.command()
@click.argument("names", nargs=-1)
@click.option("--from", "path", type=click.Path(path_type=Path), help="Python file with factors of yours.")
@click.option("--day", "days", type=DAY, multiple=True, help="Days to test  [default: three, spread]")
@as_json_option
def canary(names: tuple[str, ...], path: Path | None, days: tuple[datetime, ...], as_json: bool) -> None:
    """Poison all that became known after a day, in a clone: scores of that day must not move by a bit."""
    from nexus.cli.signals import judged_factors
    from nexus.signals.canary import canaries
    from nexus.signals.factor import Factor

    factors = [factor for factor in judged_factors(names, path, None) if isinstance(factor, Factor)]
    found = canaries(database(), factors, [day.date() for day in days] or None)
    if as_json:
        emit([{"factor": one.factor.name, "passed": one.passed, "sentence": str(one)} for one in found])
    else:
        for one in found:
            say(("passed  " if one.passed else "FAILED  ") + str(one))
    raise click.exceptions.Exit(int(not all(one.passed for one in found)))
