"""Processes that are killed, and processes that load at once: nothing is lost, nothing is there twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.load import Loaded
from nexus.db.sessions import read_sessions
from nexus.ingest.run import ingest_file, ingest_frames

Write = Callable[..., Path]
Ask = Callable[..., list[tuple[Any, ...]]]
INGEST = """
import sys
from pathlib import Path
from nexus.db.engine import Database
from nexus.ingest.run import ingest_file
ingest_file(Database.at(sys.argv[1]), "prices", Path(sys.argv[2]))
"""
COPYING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY prices%'")


def test_a_killed_load_leaves_nothing_and_the_next_one_goes_on(companies: Database, write: Write, ask: Ask) -> None:
    tickers = [f"K{n:03d}" for n in range(60)]
    ingest_frames(
        companies, {"reference": pd.DataFrame({"ticker": tickers, "valid_from": "2000-01-03"})}, "killed ones"
    )
    days = read_sessions(companies, "XNYS").days[-6000:-500]
    bars = pd.DataFrame({"ticker": np.repeat(tickers, len(days)), "date": np.tile(days, 60), "close": 1.0})
    path = write("killed.parquet", bars.astype({"date": "datetime64[us]"}))
    loader = subprocess.Popen([sys.executable, "-c", INGEST, companies.dsn, str(path)])
    until = time.monotonic() + 60
    with companies.autocommit() as connection:
        while not connection.scalar(COPYING) and loader.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
    loader.send_signal(signal.SIGKILL)
    assert loader.wait() == -signal.SIGKILL
    assert ask("SELECT count(*) FROM prices WHERE source = 'killed'") == [(0,)]
    assert ask("SELECT count(*) FROM ingest_runs WHERE command ~ 'killed.parquet' AND finished_at IS NULL") == [(1,)]
    assert ingest_file(companies, "prices", path)[0].inserted == len(bars)


def test_eight_loaders_at_once_agree_on_who_is_who(companies: Database, write: Write, ask: Ask) -> None:
    """Each adds the same unknown members and a member of its own."""
    paths = [
        write(
            f"crowd{n}.csv", f"universe,ticker,valid_from\nC,SAME,2010-01-04\nC,ALPH,2010-01-04\nC,OWN{n},2010-01-04\n"
        )
        for n in range(8)
    ]

    def go(path: Path) -> list[Loaded]:
        mine = Database.at(companies.url)
        try:
            return ingest_file(mine, "universe", path)
        finally:
            mine.dispose()

    with ThreadPoolExecutor(8) as pool:
        loaded = [one for each in pool.map(go, paths) for one in each]
    assert sum(one.inserted for one in loaded if one.table == "universe_members") == 24
    assert ask("SELECT count(*) FROM entities WHERE identity ~ ':(SAME|OWN)'") == [(9,)]
    numbers = ask(
        "SELECT l.load_id, l.rows_inserted, count(m.load_id) FROM loads l LEFT JOIN universe_members m USING (load_id) "
        "WHERE l.source ~ 'crowd' AND l.table_name = 'universe_members' GROUP BY 1, 2"
    )
    assert len(numbers) == 8
    assert all(said == there == 3 for _, said, there in numbers)
