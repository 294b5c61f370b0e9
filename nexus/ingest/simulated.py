"""The simulated market through the same door as a user's files, into a database of its own."""

from __future__ import annotations

from nexus.db import admin
from nexus.db.engine import Database
from nexus.db.load import Loaded, SourceInfo
from nexus.db.provenance import has_finished
from nexus.errors import InputError
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables

NAME = "nexus_simulated"


def simulated_database(database: Database, name: str | None = None) -> Database:
    """The database beside `database` that holds simulations, made where it is not there yet.

    Raises
    ------
    InputError
        When `name` is that of `database` itself: a ledger counts the trials of one market.
    """
    name = name or NAME
    if name == database.url.database:
        raise InputError(f"database {name}: it is the configured one; a simulated market needs a database of its own")
    return admin.ready(database.sibling(name))


def ingest_simulated(database: Database, seed: int) -> list[Loaded]:
    """Simulate the market of `seed` and ingest it; nothing is done, and nothing returned, where it is there already.

    Raises
    ------
    InputError
        When the database holds another market already.
    """
    source = SourceInfo(f"simulated-{seed}", "reported", description=f"simulated market, seed {seed}")
    others = [name for name in admin.sources(database) if name != source.source]
    if others:
        raise InputError(
            f"database {database.url.database} holds {', '.join(others)} already; "
            "name another with --database: one ledger, one market"
        )
    command = f"ingest simulate --seed {seed}"
    return (
        []
        if has_finished(database, command)
        else ingest_frames(database, tables(simulate(seed)), source, command=command)
    )
