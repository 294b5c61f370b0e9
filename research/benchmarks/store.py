"""A database of the benchmarks' own: on NEXUS_TEST_DATABASE_URL, else on an embedded server with its usual settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
from harness import ENVIRONMENTS

from nexus.db import admin, embedded
from nexus.db.engine import Database
from nexus.db.identity import ensure_entities
from nexus.db.load import load
from nexus.db.provenance import SourceInfo, begin_run, ensure_source
from nexus.db.sessions import Sessions, ensure_sessions
from nexus.maths.types import Ints
from nexus.settings import settings

SOURCE = "bench"


@contextmanager
def throw_away() -> Iterator[Database]:
    """A migrated, empty database, dropped at the end; the read cache of this process is under the same folder."""
    url = os.environ.get("NEXUS_TEST_DATABASE_URL") or embedded.start(ENVIRONMENTS / "postgres", keep=False)
    os.environ["NEXUS_HOME"] = str(ENVIRONMENTS / "home")
    settings.cache_clear()
    database = Database.at(url).sibling(f"nexus_bench_{uuid4().hex[:8]}")
    admin.create_if_missing(database)
    try:
        admin.upgrade(database)
        yield database
    finally:
        admin.drop(database)


def companies(database: Database, count: int) -> Ints:
    """Ids of `count` companies of no importance."""
    names = [f"company {number:05d}" for number in range(count)]
    ids = ensure_entities(database, pd.DataFrame({"kind": "company", "identity": names, "cik": None, "name": names}))
    return np.array([ids[name] for name in names], dtype=np.int32)


def apart(work: Callable[..., None], *arguments: object) -> None:
    """Run `work` in a process of its own: its memory is not that of what is measured."""
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{work.__name__} ended with status {process.exitcode}")


def fill(database: Database, table: str, rows: pa.Table) -> None:
    """Load rows of the source of the benchmarks, through the real ingest path."""
    run = begin_run(database, "benchmark")
    ensure_source(database, SourceInfo(SOURCE, "reported"))
    load(database, run, table, rows, source=SOURCE, file=None, known_at_given=True)


def calendar(database: Database, first: date, n_sessions: int) -> Sessions:
    """The first `n_sessions` of XNYS from `first` on, put into the database."""
    every = ensure_sessions(database, "XNYS", date(2026, 1, 1))
    chosen = slice(start := int(np.searchsorted(every.days, np.datetime64(first))), start + n_sessions)
    return Sessions(every.days[chosen], every.opens_at[chosen], every.closes_at[chosen])


def tune(database: Database) -> None:
    """What autovacuum would have done a minute after the load."""
    with database.autocommit() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
