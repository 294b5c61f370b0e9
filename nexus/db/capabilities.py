"""What the server offers: detected once, said aloud."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

OLDEST_TIMESCALEDB = (2, 19)


@dataclass(frozen=True)
class Capabilities:
    """The server's version and tier."""

    postgresql: str
    timescaledb: str | None
    licence: str | None

    @property
    def tier(self) -> str:
        """Which of the two tiers this database is."""
        return "TimescaleDB" if self.timescaledb else "PostgreSQL"

    def __str__(self) -> str:
        """One line for a person."""
        if self.timescaledb:
            return f"PostgreSQL {self.postgresql}, TimescaleDB {self.timescaledb} ({self.licence} licence): hypertables"
        return f"PostgreSQL {self.postgresql} without TimescaleDB: ordinary tables"


def detect(connection: Connection) -> Capabilities:
    """Ask the server."""
    version = str(connection.scalar(text("SHOW server_version"))).split()[0]
    extension = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"))
    licence = connection.scalar(text("SELECT current_setting('timescaledb.license', true)")) if extension else None
    return Capabilities(version, extension, licence)


def usable_timescaledb(connection: Connection) -> bool:
    """Whether the extension can be created here and is new enough (transition tables on hypertables)."""
    available = connection.scalar(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    )
    may_create = connection.scalar(
        text(
            "SELECT rolsuper OR has_database_privilege(current_database(), 'CREATE') FROM pg_roles "
            "WHERE rolname = current_user"
        )
    )
    preloaded = "timescaledb" in str(connection.scalar(text("SHOW shared_preload_libraries")))
    return bool(available and may_create and preloaded) and _version(available) >= OLDEST_TIMESCALEDB


def _version(text_version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text_version.split("-")[0].split(".")[:2])
