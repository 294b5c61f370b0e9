"""Loads by processes of their own: eight at once, and one that is killed in the middle."""

from __future__ import annotations

import os
import signal
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from time import monotonic, sleep

import numpy as np
import pyarrow as pa
import pytest
from loading import companies, sha
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.facts_audit import audit_facts
from nexus.db.load import FileMark, Loaded, SourceInfo, begin_run, ensure_source, load

SPAWN = get_context("spawn")
PATIENCE = 120.0


def bars(ids: list[int], n_days: int, close: float) -> pa.Table:
    """Bars of `n_days` calendar days for each company, (len(ids) * n_days, )."""
    days = [date(1990, 1, 1) + timedelta(days=day) for day in range(n_days)]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    n = n_days * len(ids)
    return pa.table(
        {
            "company_id": np.repeat(np.array(ids, np.int32), n_days),
            "session": pa.array(days * len(ids), pa.date32()),
            "default_known_at": pa.array(known * len(ids), pa.timestamp("us", "UTC")),
            "close": np.full(n, close),
            "volume": np.arange(n, dtype=float),
        }
    )


def load_bars(dsn: str, source: str, name: str, ids: list[int], n_days: int, close: float) -> Loaded:
    database = Database.at(dsn)
    ensure_source(database, SourceInfo(source, "assumed"))
    rows = bars(ids, n_days, close)
    run_id = begin_run(database, f"test {name}")
    numbers = np.arange(rows.num_rows)
    done = load(
        database,
        run_id,
        "prices",
        rows,
        source=source,
        file=FileMark(name, sha(name)),
        row_numbers=numbers,
        known_at_given=False,
    )
    database.dispose()
    return done


def load_files(dsn: str, loader: int, ids: list[int]) -> None:
    """Three files: a source of its own, one that all loaders share, and one file that all loaders bring."""
    load_bars(dsn, f"own {loader}", f"own {loader}", ids, 40, 1.0)
    load_bars(dsn, "shared", f"shared {loader}", ids, 40, float(loader))
    load_bars(dsn, "same", "same", ids, 40, 7.0)


def test_eight_loaders_at_once_leave_every_load_complete(database: Database) -> None:
    ids = companies(database, 20)
    loaders = [SPAWN.Process(target=load_files, args=(database.dsn, loader, ids)) for loader in range(8)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join(PATIENCE)
    assert [loader.exitcode for loader in loaders] == [0] * 8
    assert audit_facts(database) == []
    with database.read() as connection:
        numbers = connection.scalars(text("SELECT load_id FROM loads ORDER BY opened_at")).all()
        rows = dict(connection.execute(text("SELECT source, count(*) FROM prices GROUP BY source")).all())
        times = connection.scalar(text("SELECT count(*) FROM loads WHERE source = 'same'"))
        newest = connection.scalars(_NEWEST, {"source": "shared"}).all()
        last = connection.scalar(
            text("SELECT file_name FROM loads WHERE source = 'shared' ORDER BY load_id DESC LIMIT 1")
        )
    assert numbers == list(range(1, len(numbers) + 1))
    assert rows == {**{f"own {loader}": 800 for loader in range(8)}, "shared": 8 * 800, "same": 800}
    assert times == 1
    assert [f"shared {value:.0f}" for value in newest] == [last]


@pytest.mark.parametrize("there", [False, True], ids=["straight in", "compared"])
def test_a_killed_loader_loses_nothing_and_the_next_goes_on(database: Database, there: bool) -> None:
    source = f"killed {there}"
    ids = companies(database, 120)
    if there:
        load_bars(database.dsn, source, f"first of {source}", ids, 2500, 1.0)
    with database.read() as connection:
        before = connection.scalars(_LOADS).all(), connection.scalar(_ROWS)

    arguments = (database.dsn, source, f"second of {source}", ids, 2500, 2.0)
    victim = SPAWN.Process(target=load_bars, args=arguments)
    victim.start()
    wait_until_it_holds_the_lock(database, victim)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(PATIENCE)
    assert victim.exitcode == -signal.SIGKILL

    with database.write() as connection:
        connection.execute(text("SELECT ingest_lock()"))  # the server has noticed, and given the lock back
    with database.read() as connection:
        assert (connection.scalars(_LOADS).all(), connection.scalar(_ROWS)) == before
        open_runs = connection.scalar(text("SELECT count(*) FROM ingest_runs WHERE command LIKE 'test second%'"))
    assert open_runs and audit_facts(database) == []

    done = load_bars(*arguments)
    assert (done.inserted, done.load_id) == (300_000, max(before[0], default=0) + 1)
    assert audit_facts(database) == []


def wait_until_it_holds_the_lock(database: Database, process: BaseProcess) -> None:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and process.is_alive():
        with database.read() as connection:
            if connection.scalar(_HELD):
                return
        sleep(0.002)
    pytest.fail(f"the loader never held the ingest lock; it ended with {process.exitcode}")


_LOADS = text("SELECT load_id FROM loads ORDER BY load_id")
_ROWS = text("SELECT count(*) FROM prices")
_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 4200 AND objid = 1 AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_NEWEST = text(
    "SELECT DISTINCT close FROM (SELECT DISTINCT ON (company_id, session) close FROM prices WHERE source = :source "
    "ORDER BY company_id, session, known_at DESC) newest"
)
