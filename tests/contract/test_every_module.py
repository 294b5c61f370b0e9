"""One battery, every module of `nexus.modules.MODULES`, no exemptions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import trials
from contract.battery import CHECKS, Evidence, begin, copied, gather
from contract.trials import Trial

from nexus.contract.module import Learned, Module
from nexus.db.engine import Database
from nexus.db.inputs import check_inputs
from nexus.db.tables import OUTPUTS
from nexus.modules import MODULES

SMALL: dict[str, dict[str, Any]] = {
    "centrality": {},
    "gat_baseline": {"hidden": 16, "heads": 2, "explain_companies": 3},
    "hgt": {"hidden": 16, "heads": 2, "explain_companies": 3},
    "role_aware": {
        "hidden": 16,
        "heads": 2,
        "pearl_hidden": 4,
        "pearl_samples": 8,
        "pearl_dim": 6,
        "explain_companies": 3,
    },
}
"""Parameters of the battery: small enough to be quick. A module without an entry has not been through it, and fails."""
VERBS = ("inspect", "hpo", "hpo-all", "train-best", "train-best-all", "predict", "predict-all")
_gathered: dict[str, Evidence] = {}


@pytest.fixture(scope="module")
def evidence(simulated: Database, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Evidence]:
    """The trials of a module, made when they are first asked for."""

    def of(name: str) -> Evidence:
        assert name in SMALL, f"{name}: no parameters for the battery; add them to SMALL"
        if name not in _gathered:
            _gathered[name] = gather(simulated, MODULES[name], SMALL[name], tmp_path_factory.mktemp(name))
        return _gathered[name]

    return of


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MODULES)
def test_it_passes(name: str, check: Callable[[Evidence], None], evidence: Callable[[str], Evidence]) -> None:
    check(evidence(name))


@pytest.mark.parametrize("name", MODULES)
def test_it_says_what_it_is(name: str) -> None:
    module = Trial(MODULES[name], {}, Path()).module
    assert isinstance(module, Module)
    assert module.name == name
    assert module.version and module.output in OUTPUTS
    check_inputs(module.inputs)
    if isinstance(module, Learned):
        assert module.horizon > 0 and set(SMALL[name]) <= {*module.basics, *module.defaults}
        assert json.loads(json.dumps(dict(module.defaults))) == module.defaults
    versions = [Trial(path, {}, Path()).module.version for path in MODULES.values()]
    assert versions.count(module.version) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", MODULES)
def test_it_runs_on_a_gpu(name: str, simulated: Database, tmp_path: Path) -> None:
    trial = Trial(MODULES[name], SMALL[name], tmp_path / "models", device="cuda")
    if not isinstance(trial.module, Learned) or "cuda" not in trial.module.devices:
        pytest.skip(f"{name} has nothing to compute on a GPU")
    with copied(simulated) as database:
        assert begin(trials.write, database, tmp_path / "gpu", trial).ended == 0
    (frames,) = trials.left(tmp_path / "gpu").frames.values()
    assert len(frames[0]) >= 10


@pytest.mark.parametrize("name", MODULES)
def test_help_loads_neither_torch_nor_pandas(name: str) -> None:
    code = (
        "import sys, json, io, contextlib\n"
        "from nexus.cli import cli\n"
        "said = io.StringIO()\n"
        "with contextlib.redirect_stdout(said):\n"
        f"    for verb in [[], *([verb] for verb in {VERBS!r})]:\n"
        f"        cli(['module', {name!r}, *verb, '--help'], standalone_mode=False)\n"
        "print(said.getvalue().count('Usage'), json.dumps(sorted({'torch', 'pandas', 'numba'} & set(sys.modules))))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split(maxsplit=1) == ["8", "[]\n"]


@pytest.mark.parametrize("file", [*(path.split(":")[0] for path in MODULES.values()), "nexus.graph.snapshots"])
def test_neither_does_the_help_of_its_file(file: str) -> None:
    code = (
        "import sys, json, io, contextlib, runpy\n"
        "sys.argv[1:] = ['--help']\n"
        "said = io.StringIO()\n"
        "with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):\n"
        f"    runpy.run_module({file!r}, run_name='__main__', alter_sys=True)\n"
        "print(said.getvalue().count('Usage'), json.dumps(sorted({'torch', 'pandas', 'numba'} & set(sys.modules))))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split(maxsplit=1) == ["1", "[]\n"]
