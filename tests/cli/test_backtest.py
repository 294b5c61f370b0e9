"""`nexus backtest` as a user types it, on a small simulated market on which nothing stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from nexus.cli import cli
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.settings import settings
from nexus.signals.registry import register
from nexus.signals.user import from_file

PLANTED = Path(__file__).parents[2] / "research" / "planted_factors.py"
SETTINGS = {"NEXUS_UNIVERSE": "SIM500", "NEXUS_MARKET": "SIMX", "NEXUS_SECTORS": "SIM"}
SPEC = """
universe = "SIM500"
start = 2005-03-01
end = 2006-11-30

[[signals]]
name = "N0"

[portfolio]
quantiles = 5

[variants]
"portfolio.quantiles" = [4, 5]
"portfolio.kind" = ["long_short", "signal_weighted"]
"""
Nexus = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def nexus(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nexus]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, "NEXUS_HOME": str(home), "NEXUS_DATABASE_URL": database.dsn}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        ingest_frames(database, tables(simulate(seed=5, sessions=756, listed=60)), "simulated-5")
        factors = from_file(PLANTED)
        register(database, [factors["N0"], factors["P3"]])
        environment = dict(os.environ)
        (home / "spec.toml").write_text(SPEC)

        def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "nexus", "backtest", *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=home)
            assert done.returncode == status, done.stdout + done.stderr
            assert "Traceback" not in done.stderr
            return done

        yield run
    settings.cache_clear()


@pytest.fixture(scope="module")
def explored(nexus: Nexus) -> str:
    return nexus("run", "spec.toml", "--exploratory", "--because", "what would noise earn?").stdout


def test_what_does_not_stand_is_refused_with_what_to_do(nexus: Nexus) -> None:
    error = nexus("run", "spec.toml", status=3).stderr
    assert "signal N0 is rejected" in error and "--exploratory" in error
    assert json.loads(nexus("list", "--json").stdout) == []


def test_an_exploratory_run_says_so_on_every_line(explored: str) -> None:
    lines = explored.splitlines()
    assert len(lines) > 20 and all(line.startswith("EXPLORATORY") for line in lines)
    assert any("because: what would noise earn?" in line for line in lines)
    assert any("over 4 variants" in line for line in lines)
    assert any("rejected" in line and "detectable IC" in line for line in lines)


def test_it_stays_exploratory_wherever_it_is_told(nexus: Nexus, explored: str) -> None:
    assert nexus("show", "1").stdout == explored
    told = json.loads(nexus("show", "1", "--json").stdout)
    assert told["exploratory"] and told["reason"] == "what would noise earn?" and told["variants"] == 4
    (row,) = [line for line in nexus("list").stdout.splitlines() if line.strip().startswith("1 ")]
    assert "EXPLORATORY" in row


def test_it_is_reproduced_and_compared(nexus: Nexus, explored: str) -> None:
    said = nexus("reproduce", "1").stdout
    assert said.startswith("EXPLORATORY") and "the same to the cent" in said
    nexus("run", "spec.toml", "--exploratory", "--because", "as approved", "--mode", "as_approved")
    beside = nexus("compare", "1", "2").stdout
    assert "1 EXPLORATORY" in beside and "as_approved" in beside


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exploratory"], "--because"),
        (["--because", "curiosity"], "--exploratory"),
        (["--exploratory", "--because", " "], "says why"),
    ],
)
def test_a_reason_and_the_word_go_together(nexus: Nexus, tmp_path: Path, arguments: list[str], said: str) -> None:
    assert said in error(tmp_path, SPEC, *arguments)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("quantile = 5", "did you mean quantiles?"),
        ("max_weight = -1", "max_weight"),
        ('[variants]\nkind = "x"', "table of lists"),
    ],
)
def test_a_wrong_spec_is_one_sentence(nexus: Nexus, tmp_path: Path, line: str, said: str) -> None:
    assert said in error(tmp_path, SPEC.split("quantiles = 5")[0] + line)


def error(folder: Path, spec: str, *arguments: str) -> str:
    """What a run of a spec is told, in this process."""
    path = folder / "spec.toml"
    path.write_text(spec)
    done = CliRunner().invoke(cli, ["backtest", "run", str(path), *arguments])
    assert done.exit_code != 0
    return f"{done.output} {done.exception}"


def test_an_unknown_run_is_named(nexus: Nexus) -> None:
    assert "backtest 99: unknown" in nexus("show", "99", status=2).stderr
