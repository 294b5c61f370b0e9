"""Checkpoints: whole or not there, and never those of another training."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nexus.contract.checkpoint import (
    BEST,
    FINISHED,
    LATEST,
    Checkpoints,
    Identity,
    Progress,
    Saved,
    weights_digest,
)  # fmt: skip
from nexus.errors import BusyError, InputError

IDENTITY = Identity("linear", "linear-1", "c0de", {"lr": 0.1, "seed": 0}, "2: trained to 2014-01-31", "da7a" * 16)
OTHERS: dict[str, Any] = {
    "module": "other", "version": "linear-2", "code_hash": "c1de", "params": {"lr": 0.2, "seed": 0},
    "chunk": "2: trained to 2014-02-28", "fingerprint": "da7b" * 16,
}  # fmt: skip


def content(value: float = 1.0, epoch: int = 3) -> Saved:
    adam = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]}
    state = {"network": {"weight": torch.full((2, 3), value)}, "optimiser": adam, "schedule": None, "epoch": epoch}
    return Saved(state, Progress(epoch, 0.25, 2, [[1.0, 0.5]] * epoch), {"mean": [0.1, 0.2]})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, IDENTITY)
    assert store.load(LATEST) is None and store.outcome() is None
    store.save(LATEST, content(1.0))
    store.save(LATEST, content(2.0))
    found = store.load(LATEST)
    assert found is not None and store.load(BEST) is None
    assert found.progress == content().progress and found.described == content().described
    assert weights_digest(found.state) == weights_digest(content(2.0).state)
    store.finish({"epochs": 3, "loss": 0.25})
    assert store.outcome() == {"epochs": 3, "loss": 0.25}
    assert {path.name for path in store.folder.iterdir()} == {LATEST, FINISHED}
    store.discard()
    assert store.load(LATEST) is None and store.outcome() is None


def test_progress_before_the_first_improvement(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, IDENTITY)
    store.save(LATEST, replace(content(), progress=Progress()))
    assert store.load(LATEST).progress == Progress()  # type: ignore[union-attr]


@pytest.mark.parametrize("part", list(OTHERS))
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, part: str) -> None:
    """Wherever it lies: moved by hand into the folder of this one, it is still of the other."""
    there = Checkpoints(tmp_path, replace(IDENTITY, **{part: OTHERS[part]}))
    there.save(LATEST, content())
    there.finish({})
    store = Checkpoints(tmp_path, IDENTITY)
    store.folder.mkdir(parents=True, exist_ok=True)
    for name in (LATEST, FINISHED):
        (store.folder / name).write_bytes((there.folder / name).read_bytes())
    for look in (lambda: store.load(LATEST), store.outcome):
        with pytest.raises(InputError, match=r"made with another \w+.* instead of .*; train again with --fresh"):
            look()


def test_other_parameters_chunks_and_data_have_folders_of_their_own() -> None:
    folders = {replace(IDENTITY, **{part: value}).folder for part, value in OTHERS.items()}
    later = replace(IDENTITY, chunk="3: trained to 2015-01-31").folder
    # other code, and the same chunk with other dates, are found in place and refused
    assert len({IDENTITY.folder, later, *folders}) == 6
    assert replace(IDENTITY, params={"seed": 0, "lr": 0.1}).folder == IDENTITY.folder


@pytest.mark.parametrize("harm", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"nonsense" + raw])
def test_a_damaged_file_is_named(tmp_path: Path, harm: Any) -> None:
    store = Checkpoints(tmp_path, IDENTITY)
    store.save(LATEST, content())
    store.finish({})
    for name in (LATEST, FINISHED):
        path = store.folder / name
        path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(InputError, match=r"latest.pt: cannot be read \(.*--fresh"):
        store.load(LATEST)
    with pytest.raises(InputError, match=r"finished.json: cannot be read \(.*--fresh"):
        store.outcome()


def test_objects_are_not_loaded(tmp_path: Path) -> None:
    """A checkpoint is data: one that would run code as it is read is refused before it does."""
    store = Checkpoints(tmp_path, IDENTITY)
    store.save(LATEST, content())
    with (store.folder / LATEST).open("wb") as stream:
        pickle.dump(Bomb(tmp_path / "exploded"), stream)
    with pytest.raises(InputError, match="cannot be read"):
        store.load(LATEST)
    assert not (tmp_path / "exploded").exists()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


WRITER = """
import sys
from pathlib import Path
from contract.test_checkpoint import IDENTITY, content
from nexus.contract.checkpoint import LATEST, Checkpoints
store = Checkpoints(Path(sys.argv[1]), IDENTITY)
with store.locked():
    for epoch in range(1, 100000):
        store.save(LATEST, content(float(epoch), epoch))
        print(epoch, flush=True)
"""


def start_writer(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    command = [sys.executable, "-c", WRITER, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_while_writing_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, IDENTITY)
    with start_writer(tmp_path) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        with pytest.raises(BusyError, match="another process is training this"), store.locked():
            pass
        writer.send_signal(signal.SIGKILL)
        told += map(int, writer.stdout.read().split())
    with store.locked():
        found = store.load(LATEST)
    assert found is not None
    assert found.progress.epoch in (told[-1], told[-1] + 1)  # killed before or after the last rename
    assert found.state["network"]["weight"][0, 0] == found.progress.epoch == found.state["epoch"]


def test_the_digest_sees_every_bit() -> None:
    state = content().state
    nudged = content().state
    nudged["network"]["weight"][1, 2] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    assert weights_digest(state) == weights_digest(content().state) != weights_digest(nudged)
    assert weights_digest({"a": torch.zeros(2)}) != weights_digest({"a": torch.zeros(2, dtype=torch.int32)})
    assert weights_digest({"a": torch.zeros(2)}) != weights_digest({"b": torch.zeros(2)})
    assert weights_digest({"a": [1, 2]}) != weights_digest({"a": [12]})
    assert weights_digest({"a": torch.arange(6).view(2, 3).T}) != weights_digest({"a": torch.arange(6).view(3, 2)})
    half = torch.ones(3, dtype=torch.bfloat16)
    assert weights_digest({"a": half}) == weights_digest({"a": half.clone()})
