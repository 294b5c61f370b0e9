"""The ledger as a file: chain, numbers and counts survive, so that moving a database forgets no trial."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from sqlalchemy import Connection, text

from nexus.db import ledger_audit
from nexus.db.engine import Database, driver
from nexus.db.tables import metadata
from nexus.errors import InputError, RefusedError

TABLES = ("model_runs", "hypotheses", "sketches", "canaries", "factor_evaluations", "ledger_blocks")
"""In the order in which they refer to one another."""
HEAD = "head.json"
_LEFT_OUT = ("model_runs.tier",)
"""Columns younger than the oldest exports, of which judgements know nothing."""


def export_ledger(database: Database, path: Path) -> str:
    """Write the ledger to a zip file, a CSV a table, and return its head."""
    partial = path.with_suffix(".partial")
    with database.read() as connection, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        head = ledger_audit.head(connection)
        for table in TABLES:
            query = f"SELECT {_columns(table)} FROM {table}"
            if table == "model_runs":  # those that evaluations refer to
                query += " WHERE run_id IN (SELECT run_id FROM factor_evaluations)"
            with (
                archive.open(f"{table}.csv", "w", force_zip64=True) as file,
                driver(connection).cursor() as cursor,
                cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()) as rows,
            ):
                for block in rows:
                    file.write(block)
        archive.writestr(HEAD, json.dumps({"head": head}))
    partial.replace(path)
    return head


def import_ledger(database: Database, path: Path) -> str:
    """Fill an empty ledger from a file of `export_ledger`, in one transaction, and return its head.

    Triggers would number everything anew, so this is done by the owner, with the guards down until the commit.

    Raises
    ------
    InputError
        When the file is no export.
    RefusedError
        When the ledger holds anything already, or the file's chain does not hold.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not a file of `nexus audit export`")
    with database.owner() as connection, zipfile.ZipFile(path) as archive:
        if set(archive.namelist()) != {HEAD, *(f"{table}.csv" for table in TABLES)}:
            raise InputError(f"{path}: holds {', '.join(archive.namelist())}; not a ledger")
        _require_empty(connection)
        _guards(connection, "DISABLE")
        for table in TABLES:
            statement = f"COPY {table} ({_columns(table)}) FROM STDIN (FORMAT csv)"
            with (
                archive.open(f"{table}.csv") as file,
                driver(connection).cursor() as cursor,
                cursor.copy(statement.encode()) as rows,
            ):
                while block := file.read(1 << 20):
                    rows.write(block)
        _guards(connection, "ENABLE")
        head = str(json.loads(archive.read(HEAD))["head"])
        found = ledger_audit.findings(connection, head)
        if found:
            raise RefusedError(f"{path}: {found[0].where}: {found[0].what}; nothing was imported")
    return head


def _columns(table: str) -> str:
    chosen = [one for one in metadata.tables[table].columns if one.identity is None and str(one) not in _LEFT_OUT]
    return ", ".join(f'"{column.name}"' for column in chosen)


def _require_empty(connection: Connection) -> None:
    connection.execute(text("SELECT ledger_lock()"))
    for table in ("hypotheses", "factor_evaluations"):
        held = connection.scalar(text(f"SELECT count(*) FROM {table}"))
        if held:
            raise RefusedError(f"ledger: {table} holds {held} rows; import into a new database, trials are not merged")


def _guards(connection: Connection, verb: str) -> None:
    for table in TABLES:
        connection.execute(text(f"ALTER TABLE {table} {verb} TRIGGER USER"))
