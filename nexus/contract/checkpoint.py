"""Where training stands, on disk: written so that a kill at any moment loses one epoch and mixes nothing up."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from nexus.contract.code import params_hash
from nexus.contract.splits import Chunk
from nexus.errors import BusyError, InputError

LATEST, BEST, FINISHED, LOCK = "latest.pt", "best.pt", "finished.json", "lock"


@dataclass(frozen=True)
class Identity:
    """What weights are of: others that differ in any of it are other weights.

    params : settled, with the seed; chunk : number and dates; fingerprint : of the training data
    """

    module: str
    version: str
    code_hash: str
    params: dict[str, Any]
    chunk: str
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Relative to the folder of models."""
        number = int(self.chunk.split(":")[0])
        return chunk_folder(self.module, self.version, number) / f"{self.params_hash}-{self.fingerprint[:12]}"

    @property
    def params_hash(self) -> str:
        """Short digest of the parameters."""
        return short(self.params)


@dataclass
class Progress:
    """How far training has come.

    epoch : finished epochs; losses : of training and validation, by epoch; best_epoch : from 1, 0 none yet
    """

    epoch: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    losses: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Saved:
    """One checkpoint as read: what `Learned.save` gave, where training stood, and what `describe` said."""

    state: dict[str, Any]
    progress: Progress
    described: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training."""

    home: Path
    identity: Identity

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.home / "models" / self.identity.folder

    def save(self, name: str, saved: Saved) -> None:
        """Replace LATEST or BEST in one step: whoever reads sees the old one or the new one, whole."""
        import torch

        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "identity": json.dumps(asdict(self.identity)),
            "progress": json.dumps(asdict(saved.progress)),
            "described": json.dumps(saved.described),
            "state": saved.state,
        }
        with replacing(self.folder / name) as stream:
            torch.save(content, stream)

    def load(self, name: str) -> Saved | None:
        """What was saved under `name`; None where nothing was.

        Raises
        ------
        InputError
            When it is of other code, parameters, days or data, or cannot be read.
        """
        path = self.folder / name
        if not path.exists():
            return None
        there, saved = read(path)
        self._require_same(path, there)
        return saved

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Leave word that training is over, with what came of it."""
        content = {"identity": asdict(self.identity), "outcome": dict(outcome)}
        with replacing(self.folder / FINISHED) as stream:
            stream.write(json.dumps(content, indent=2).encode())

    def outcome(self) -> dict[str, Any] | None:
        """What `finish` left; None where training is not over. Raises InputError as `load` does."""
        path = self.folder / FINISHED
        if not path.exists():
            return None
        there, outcome = read_outcome(path)
        self._require_same(path, there)
        return outcome

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out while this training goes on; a killed process lets go by itself.

        Raises
        ------
        BusyError
            When another process is at it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(f"{self.folder}: another process is training this; wait for it") from error
            yield

    def discard(self) -> None:
        """Forget this training."""
        for name in (FINISHED, LATEST, BEST):
            (self.folder / name).unlink(missing_ok=True)

    def _require_same(self, path: Path, there: Mapping[str, Any]) -> None:
        for name, wanted in asdict(self.identity).items():
            if there.get(name) != wanted:
                raise InputError(
                    f"{path}: made with another {_WORDS[name]}, {_brief(there.get(name))} instead of "
                    f"{_brief(wanted)}; train again with --fresh"
                )


def read(path: Path) -> tuple[dict[str, Any], Saved]:
    """Identity and content of a checkpoint, whatever it is of; InputError where it cannot be read."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        progress = Progress(**json.loads(content["progress"]))
        saved = Saved(content["state"], progress, json.loads(content["described"]))
        return json.loads(content["identity"]), saved
    except Exception as error:  # a damaged file fails in as many ways as it has bytes
        kind = type(error).__name__  # not its text, in which torch advises to run what the file says
        raise InputError(f"{path}: cannot be read ({kind}); train again with --fresh") from error


def read_outcome(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Identity and outcome of a training that is over, as FINISHED has them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["identity"]), dict(content["outcome"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}); train again with --fresh") from error


def finished(home: Path, module: str, version: str, chunk: Chunk, params: Mapping[str, Any]) -> list[Identity]:
    """Trainings of the chunk that are over, of these parameters, on whatever data: the newest last."""
    folder = home / "models" / chunk_folder(module, version, chunk.number)
    paths = sorted(folder.glob(f"{short(params)}-*/{FINISHED}"), key=lambda path: (path.stat().st_mtime_ns, str(path)))
    return [Identity(**read_outcome(path)[0]) for path in paths]


def told(chunk: Chunk) -> str:
    """Number and dates of a chunk, as identities hold them."""
    parts = (chunk.train, chunk.validation)
    days = hashlib.sha256(repr([[str(day) for day in part] for part in parts]).encode()).hexdigest()[:12]
    return f"{chunk.number}: trained to {chunk.trained_to}, days {days}"


def weights_digest(state: Mapping[str, Any]) -> str:
    """Digest of everything that `Learned.save` gave: equal to the bit, or another."""
    hashed = hashlib.sha256()
    for part in _parts(state):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()


def short(params: Mapping[str, Any]) -> str:
    """Short digest of parameters, for the names of folders."""
    return params_hash(params)[:12]


def chunk_folder(module: str, version: str, number: int) -> Path:
    """Relative to the folder of models."""
    return Path(module) / version / (f"chunk-{number:03d}" if number >= 0 else "single-fit")


def _parts(value: Any) -> Iterator[bytes]:
    import torch

    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield repr(key).encode()
            yield from _parts(inner)
    elif isinstance(value, list | tuple):
        yield f"{len(value)}".encode()
        for inner in value:
            yield from _parts(inner)
    elif isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    else:
        yield repr(value).encode()


@contextmanager
def replacing(path: Path, mark: str = "") -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once it is on the disk.

    mark : of the writer, where several may be at it; one that holds a lock writes over what a killed one left
    """
    new = path.with_name(f"{path.name}{mark}.new")
    try:
        with new.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _brief(value: object) -> str:
    text = json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_WORDS = {
    "module": "module", "version": "version", "code_hash": "code", "params": "set of parameters", "chunk": "chunk",
    "fingerprint": "reading of the data",
}  # fmt: skip
