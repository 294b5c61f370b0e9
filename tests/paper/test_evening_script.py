"""`docker/evening.sh`: whose status counts, and when somebody is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "evening.sh"


def evening(folder: Path, ingest: int | None, trade: int, **more: str) -> tuple[int, str, str]:
    """Status, output and alarm of an evening whose ingest and `nexus` end with these statuses."""
    nexus = folder / "nexus"
    nexus.write_text(f'#!/bin/sh\necho "nexus $*"\necho on stderr >&2\nexit {trade}\n')
    nexus.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "EVENING_ALERT": f"cat >{folder}/alarm", **more}
    if ingest is not None:
        environment["EVENING_INGEST"] = f"echo ingested; exit {ingest}"
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    alarm = folder / "alarm"
    return done.returncode, done.stdout, alarm.read_text() if alarm.exists() else ""


@pytest.mark.parametrize(
    ("ingest", "trade", "status", "alarmed"),
    [
        (None, 0, 0, False),
        (0, 0, 0, False),
        (1, 0, 0, False),  # rows that were rejected
        (2, 0, 2, True),
        (0, 5, 5, False),  # waiting
        (2, 5, 2, True),  # and nothing will come
        (0, 7, 7, False),  # busy
        (0, 6, 6, True),  # overdue
        (0, 3, 3, True),
        (2, 6, 6, True),
        (0, 1, 1, True),  # it crashed
    ],
)
def test_status_and_alarm(tmp_path: Path, ingest: int | None, trade: int, status: int, alarmed: bool) -> None:
    found, said, alarm = evening(tmp_path, ingest, trade)
    assert found == status
    assert said == ("" if ingest is None else "ingested\n") + "nexus paper run\non stderr\n"
    assert alarm == (said if alarmed else "")


def test_factors_of_a_user_and_an_alarm_that_fails(tmp_path: Path) -> None:
    status, said, _ = evening(tmp_path, None, 6, EVENING_FACTORS="/my factors.py", EVENING_ALERT="exit 1")
    assert status == 6 and "nexus paper run --from /my factors.py" in said
