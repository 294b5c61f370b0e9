"""A search in a process of its own: HOME SEED TRIALS [killed], on the configured database."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from contract.linear import Linear

from nexus.contract.hpo import run_hpo
from nexus.contract.reading import chunks_of
from nexus.contract.splits import Plan
from nexus.db.engine import Database


def die(*given: Any) -> None:
    """In the middle of a trial."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    home, seed, trials = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    database, module = Database.configured(), Linear()
    chunks = chunks_of(database, module, Plan(first_train_months=18, validation_months=6, test_months=6))[:1]
    if sys.argv[4:] == ["killed"]:
        module.step = die  # type: ignore[method-assign]
    run_hpo(database, module, chunks, trials, params={"epochs": 4, "batch": 512}, seed=seed, home=home)
