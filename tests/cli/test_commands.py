"""The commands as a user types them, each in a process of its own, on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.db.engine import Database

Run = subprocess.CompletedProcess[str]
Nexus = Callable[..., Run]


@pytest.fixture
def nexus(database: Database, tmp_path: Path) -> Nexus:
    environment = {**os.environ, "NEXUS_DATABASE_URL": database.dsn, "NEXUS_HOME": str(tmp_path / "home")}
    environment.pop("NEXUS_DATA_DIR", None)

    def run(*arguments: str, status: int = 0) -> Run:
        command = [sys.executable, "-m", "nexus", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_db_up_says_where_it_stands(nexus: Nexus) -> None:
    said = nexus("db", "up").stdout
    assert "revision" in said and "PostgreSQL" in said and "head is" not in said
    assert nexus("db", "upgrade").stdout == nexus("db", "status").stdout


def test_questions_are_listed_and_asked(nexus: Nexus) -> None:
    listed = json.loads(nexus("db", "query", "--json").stdout)
    assert len(listed) >= 12 and all(row["what it answers"] for row in listed)
    nexus("db", "query", listed[0]["query"])
    assert "unknown; there are" in nexus("db", "query", "nonsense", status=2).stderr


def test_a_file_with_a_bad_row_is_taken_but_for_that_row(nexus: Nexus, tmp_path: Path) -> None:
    path = tmp_path / "vix.csv"
    path.write_text("series,date,value\nFEAR,2020-03-16,82.69\nFEAR,2020-03-17,seventy\nFEAR,2020-03-18,76.45\n")
    first = nexus("ingest", "benchmarks", "--from", str(path), "--source", "mine", status=1).stdout
    assert "2 rows inserted, 1 rejected" in first
    rejected = json.loads(nexus("db", "query", "rejected_rows", "--json").stdout)
    assert any("seventy" in json.dumps(row) for row in rejected)
    assert "every load has the rows it recorded" in nexus("audit", "facts").stdout


def test_an_unknown_factor_is_named_with_those_there_are(nexus: Nexus) -> None:
    error = nexus("signals", "evaluate", "alpha_centauri", status=2).stderr
    assert "alpha_centauri" in error and "momentum_12_1" in error


def test_evaluating_without_prices_says_what_to_do(nexus: Nexus) -> None:
    assert "ingest" in nexus("signals", "evaluate", "momentum_12_1", status=2).stderr


def test_an_empty_ledger_is_sound(nexus: Nexus) -> None:
    assert "0 findings; head empty" in nexus("audit", "ledger").stdout
    assert "N:HASH" in nexus("audit", "ledger", "--head", "12", status=2).stderr


def test_horizons_are_checked(nexus: Nexus) -> None:
    assert "no list of sessions" in nexus("signals", "evaluate", "--horizons", "21,x", status=2).stderr
