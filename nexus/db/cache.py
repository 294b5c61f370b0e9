"""Arrays read before, as memory-mapped Arrow files: read again in milliseconds, shared between processes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.snapshot import Arrays
from nexus.settings import settings

logger = logging.getLogger(__name__)

LIMIT = 4 * 2**30
"""Bytes that the folder may hold; beyond, the files used longest ago are deleted."""


def fetch(key: str) -> Arrays | None:
    """The arrays stored under `key`, read-only; None where there are none or the file is damaged, which is deleted."""
    path = _path(key)
    if not path.exists():
        return None
    try:
        arrays = _read(path)
        os.utime(path)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        logger.warning("cache file %s cannot be used (%s); reading from the database", path, error)
        path.unlink(missing_ok=True)
        return None
    return arrays


def store(key: str, arrays: Arrays) -> None:
    """Keep arrays under `key`; a full or read-only disk costs the next read its speed, nothing else."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            _write(temporary, arrays)
        _evict(path)
    except OSError as error:
        logger.warning("cache file %s cannot be written (%s); the next read will go to the database", path, error)


def _path(key: str) -> Path:
    return settings().cache_dir / "reads" / f"{key}.arrow"


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` when it is whole: a reader never sees half of it."""
    temporary = path.with_name(f"{path.stem}.{uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(path: Path, arrays: Arrays) -> None:
    """One row, one column of bytes per array: Arrow aligns each for a mapping without a copy."""
    meta = {name: [array.dtype.str, _checksum(array)] for name, array in arrays.items()}
    schema = pa.schema([(name, pa.large_binary()) for name in arrays], {"arrays": json.dumps(meta)})
    columns = [
        pa.Array.from_buffers(
            pa.large_binary(),
            1,
            [None, pa.py_buffer(np.array([0, array.nbytes])), pa.py_buffer(np.ascontiguousarray(array).view(np.uint8))],
        )
        for array in arrays.values()
    ]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))


def _read(path: Path) -> Arrays:
    with pa.memory_map(str(path)) as mapped:
        batch = pa.ipc.open_file(mapped).get_batch(0)
    arrays: Arrays = {}
    for name, (dtype, checksum) in json.loads(batch.schema.metadata[b"arrays"]).items():
        array = np.frombuffer(batch.column(name).buffers()[2], dtype=dtype)
        if _checksum(array) != checksum:
            raise ValueError(f"{name} is not what was written")
        array.flags.writeable = False
        arrays[name] = array
    return arrays


def _checksum(array: NDArray[np.generic]) -> int:
    """Sum of the array as 64-bit words: as fast as memory, and a torn page shows."""
    raw = np.ascontiguousarray(array).view(np.uint8)
    words = len(raw) // 8 * 8
    total = int(raw[:words].view(np.uint64).sum()) + int(raw[words:].sum())
    return total & (2**63 - 1)


def _evict(newest: Path) -> None:
    files = sorted(
        ((path.stat().st_mtime, path.stat().st_size, path) for path in newest.parent.iterdir() if path != newest),
        reverse=True,
    )
    total = newest.stat().st_size
    for _, size, path in files:
        total += size
        if total > LIMIT:
            path.unlink(missing_ok=True)
