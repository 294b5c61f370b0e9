"""`nexus paper` as it is typed, and the exit statuses that cron sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pytest
from small_trading import PLANTED, World

from nexus.cli import main
from nexus.db import paper
from nexus.db.engine import Database

FROM = ("--from", str(PLANTED))


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str


Nexus = Callable[..., Said]


@pytest.fixture
def nexus(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Nexus:
    monkeypatch.setattr(Database, "configured", lambda: database)

    def run(*arguments: str, status: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["nexus", "paper", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = Said(*capsys.readouterr())
        assert (left.value.code or 0) == status, said
        return said

    return run


@pytest.fixture(scope="module")
def days(database: Database, world: World) -> list[date]:
    """The decision and two sessions after it, of which the last has not arrived."""
    days = world.around(world.decided, 0, 2)
    world.deliver(database, world.live[0], days[1])
    return days


def test_a_day_at_the_command_line(nexus: Nexus, database: Database, world: World, days: list[date]) -> None:
    assert "no account is open" in nexus("run").stdout
    opened = nexus("open", "mine", "--backtest", str(world.backtests["P1"]), "--start", f"{days[0]}").stdout
    assert opened == f"account mine: 1,000,000.00 on backtest {world.backtests['P1']}, from {days[0]} on\n"
    first = nexus("run", *FROM, "--today", f"{days[0]}").stdout
    assert first.startswith(f"account mine: {days[0]} rebalanced, 0 fills, ") and "equity 1,000,000.00" in first
    with database.write() as guard:
        assert paper.try_lock(guard, paper.account(guard, "mine").account_id)
        assert "another run has it" in nexus("run", *FROM, "--today", f"{days[1]}", status=7).stderr
    assert f"account mine: {days[1]} held, " in nexus("run", *FROM, "--today", f"{days[1]}").stdout
    assert nexus("run", *FROM, "--today", f"{days[1]}").stdout == "account mine: nothing to do\n"
    waits = nexus("run", "mine", *FROM, "--today", f"{days[2]}", status=5)
    assert waits.stderr.startswith(f"account mine: waiting, {days[2]}: prices of 0 companies have arrived")
    late = nexus("run", "mine", *FROM, "--today", f"{days[2]}", "--patience", "1", "--json", status=6)
    (row,) = json.loads(late.stdout)
    assert (row["account"], row["status"], row["processed"]) == ("mine", 6, []) and "OVERDUE" in row["remark"]
    stands = nexus("status", "mine", "--today", f"{days[2]}").stdout
    assert "mine" in stands and "rebalance" in stands
    (told,) = json.loads(nexus("status", "--json").stdout)
    assert told["evenings"] == told["replayed"] == 2 and told["session"] == f"{days[1]}"
    assert "gap 0.00" in nexus("reconcile", "mine").stdout
    assert json.loads(nexus("reconcile", "mine", "--json").stdout)["agrees"]
    assert nexus("close", "mine", "--because", "seen").stdout == "account mine: closed (seen)\n"
    assert "closed (seen)" in nexus("run", "mine", status=3).stderr
    assert "unknown" in nexus("run", "nobody", status=2).stderr


def test_the_worst_status_counts(nexus: Nexus, world: World, days: list[date]) -> None:
    nexus("open", "waits", "--backtest", str(world.backtests["P1"]), "--start", f"{days[2]}")
    both = nexus("run", "waits", "nobody", *FROM, "--today", f"{days[2]}", "--json", status=2)
    assert [row["status"] for row in json.loads(both.stdout)] == [5, 2]
    assert "waiting" in nexus("run", *FROM, "--today", f"{days[2]}", status=5).stderr


def test_help_names_the_statuses(nexus: Nexus) -> None:
    said = nexus("run", "--help").stdout
    assert all(f"  {status}  " in said for status in (0, 2, 3, 5, 6, 7))
