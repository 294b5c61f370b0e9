"""What a read depended on, as one hash: the same hash, the same arrays."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from nexus.db.snapshot import Snapshot

_DATABASE = """
SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()
"""
_READERS = ("actions", "bars", "cache", "pieces", "prices", "request", "snapshot", "spells", "vintages")


def database_identity(moment: Snapshot) -> str:
    """Server and database: a clone has the loads of its original, but may have been changed by its owner."""
    row = moment.row(_DATABASE)
    return f"{row.system_identifier}/{row.oid}"


@cache
def code_version() -> str:
    """Hash of the modules that turn rows into arrays."""
    folder = Path(__file__).parent
    return digest(*((folder / f"{name}.py").read_bytes() for name in _READERS))


def digest(*parts: object) -> str:
    """Hash of the parts in order; arrays by their bytes, anything else by its repr."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = (
            part.tobytes() if isinstance(part, np.ndarray) else part if isinstance(part, bytes) else repr(part).encode()
        )
        hashed.update(len(raw).to_bytes(8))
        hashed.update(raw)
    return hashed.hexdigest()
