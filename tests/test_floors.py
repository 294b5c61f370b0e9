"""The floors of the design hold, and asking for help costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_imports_only_go_down() -> None:
    linted = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["db", "--help"], ["ingest", "--help"], ["paper", "--help"], ["signals", "--help"]]
)
def test_help_loads_neither_torch_nor_pandas(arguments: list[str]) -> None:
    code = (
        "import sys, json\n"
        f"sys.argv = ['nexus', *{arguments!r}]\n"
        "from nexus.cli import main\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert not leaving.code\n"
        "print(json.dumps(sorted({'torch', 'pandas', 'numba'} & set(sys.modules))))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == []
    assert "Usage" in run.stdout


def test_no_empty_packages() -> None:
    for init in (ROOT / "nexus").rglob("__init__.py"):
        others = [path for path in init.parent.iterdir() if path.suffix == ".py" and path != init]
        folders = [path for path in init.parent.iterdir() if path.is_dir() and path.name != "__pycache__"]
        assert others or folders or init.read_text().strip(), f"{init.parent} holds nothing"
