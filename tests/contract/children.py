"""Fresh processes that have imported what is slow to import and nothing of what is tested: forked from a server."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

import pytest

from nexus.db.engine import Database
from nexus.settings import settings

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = ["contract.children", "torch_geometric.nn", "nexus.contract.runner", "nexus.db.poison"]


@dataclass(frozen=True)
class Child:
    """A process under way; `trace` is where it says why it failed."""

    process: ForkServerProcess
    trace: Path

    @property
    def ended(self) -> int:
        """Exit status, once it is there; negative: the signal that killed it. AssertionError where it raised."""
        self.process.join()
        code = self.process.exitcode
        assert code is not None
        if self.trace.exists():
            raise AssertionError(self.trace.read_text())
        return code


def start(work: Callable[..., Any], database: Database, home: Path, *arguments: Any, **environment: str) -> Child:
    """Begin `work(home, *arguments)` in a process whose settings name this database and this home."""
    home.mkdir(parents=True, exist_ok=True)
    trace = home / "trace"
    trace.unlink(missing_ok=True)
    own = {"NEXUS_DATABASE_URL": database.dsn, "NEXUS_HOME": str(home), "NEXUS_THREADS": "1", **environment}
    process = _server().Process(target=_run, args=(work, own, trace, (home, *arguments)))
    process.start()
    return Child(process, trace)


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with pytest.MonkeyPatch.context() as patch:  # the server imports before anyone tells it our path
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        ensure_running()
    return context


def _run(work: Callable[..., Any], environment: dict[str, str], trace: Path, arguments: tuple[Any, ...]) -> None:
    import torch

    os.environ.update(environment)
    settings.cache_clear()
    torch.set_num_threads(1)
    try:
        work(*arguments)
    except BaseException:
        trace.write_text(traceback.format_exc())
        raise
