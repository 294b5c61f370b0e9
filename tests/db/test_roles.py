"""Roles belong to the server: databases that are migrated at once must not trip over each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nexus.db import embedded
from nexus.db.engine import Database


def test_databases_migrated_at_once_on_a_new_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Database.at(
        embedded.start(tmp_path_factory.mktemp("server") / "new", keep=False, tuning={"shared_buffers": "32MB"})
    )
    names = [f"market_{place}" for place in range(4)]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "nexus", "db", "up"],
            env={**os.environ, "NEXUS_DATABASE_URL": server.sibling(name).dsn},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in names
    ]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(names), said
