"""What `inspect` tells of a module: what it is, its chunks, what is trained and what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nexus.contract.checkpoint import FINISHED, LATEST, chunk_folder, read, read_outcome
from nexus.contract.fit import device_of
from nexus.contract.module import Learned, Module
from nexus.contract.params import plain
from nexus.contract.reading import chunks_of, days_of, read_training
from nexus.contract.splits import Chunk, Plan
from nexus.db.engine import Database
from nexus.db.outputs import written_days


def overview(
    database: Database,
    module: Module[Any],
    plan: Plan,
    *,
    params: Mapping[str, Any],
    source: str,
    home: Path,
    load_id: int | None = None,
) -> Iterator[str]:
    """Lines of plain text.

    params : settled, with the seed; empty for a module that is not learned
    source : where they are from, in words
    """
    yield f"module      {module.name}, version {module.version}"
    yield f"inputs      {', '.join(module.inputs)}"
    yield f"output      {module.output}"
    if not isinstance(module, Learned):
        days = days_of(database, module, plan, load_id)
        yield "learned     no: predict and predict-all need no training"
        yield f"days        {_span(days)}"
        yield f"written     {_span(sorted(_written(database, module, 0)))}"
        return
    yield f"horizon     {module.horizon} sessions"
    yield f"devices     {', '.join(module.devices)}; auto is {device_of(module, 'auto')} here"
    yield f"parameters  {source}: {', '.join(f'{name}={value}' for name, value in params.items())}"
    chunks = chunks_of(database, module, plan, load_id)
    yield f"size        {_size(database, module, chunks[0], params, load_id)}"
    for chunk in chunks:
        yield from _chunk(database, module, chunk, home)


def _chunk(database: Database, module: Learned[Any, Any], chunk: Chunk, home: Path) -> Iterator[str]:
    yield (
        f"{chunk.name:<11s} train {_span(chunk.train)}; validation {_span(chunk.validation)}; trained to "
        f"{chunk.trained_to}; companion {chunk.companion}; test {_span(chunk.test)}"
    )
    for line in _checkpoints(home, module, chunk):
        yield f"            {line}"
    written = sorted(_written(database, module, chunk.number))
    if written:
        yield f"            written {_span(written)}"


def _checkpoints(home: Path, module: Learned[Any, Any], chunk: Chunk) -> Iterator[str]:
    folder = home / "models" / chunk_folder(module.name, module.version, chunk.number)
    for path in sorted(folder.glob("*/")):
        if (path / FINISHED).exists():
            done = read_outcome(path / FINISHED)[1]
            told = f"best of {done['epochs']} epochs {done['best_epoch']}, loss {done['loss']:.4g}"
        elif (path / LATEST).exists():
            told = f"interrupted after epoch {read(path / LATEST)[1].progress.epoch}"
        else:
            told = "begun"
        yield f"checkpoint {path.name}: {told}"


def _size(
    database: Database, module: Learned[Any, Any], chunk: Chunk, params: Mapping[str, Any], load_id: int | None
) -> str:
    """Of a state built for the chunk."""
    panel = read_training(database, module, chunk, load_id).train
    described = plain(module.name, module.describe(module.examples(panel, chunk.train)))
    size = module.size(module.build({**params, **described, "device": "cpu"}))
    return "unknown" if size is None else f"{size:,d} weights"


def _written(database: Database, module: Module[Any], chunk: int) -> set[Any]:
    with database.read() as connection:
        return written_days(connection, module.output, module.version, chunk)


def _span(days: Sequence[Any]) -> str:
    return f"{days[0]} to {days[-1]} ({len(days)})" if len(days) else "nothing"
