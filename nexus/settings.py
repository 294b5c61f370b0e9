"""Settings, read once from the environment; parameters of research never live here."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are. Every field is the environment variable ``NEXUS_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="NEXUS_", env_ignore_empty=True, extra="ignore")

    database_url: str | None = Field(default=None, description="PostgreSQL to use; unset: the embedded one in `home`")
    database: str = Field(default="nexus", description="name of the database on the embedded server")
    home: Path = Field(default=Path.home() / ".nexus", description="embedded server, caches")
    data_dir: Path = Field(default=Path("data"), description="folder of the real pack")
    reports_dir: Path = Field(default=Path("reports"), description="where reports are written")
    universe: str = Field(default="SP500", description="default universe: its signals carry the factor's bare name")
    market: str = Field(default="SP500", description="benchmark series that betas are measured against")
    sectors: str = Field(default="GICS", description="classification scheme that scores are neutralised by")
    calendar: str = Field(default="XNYS", description="exchange calendar of the sessions")
    user_agent: str | None = Field(default=None, description="declared to SEC EDGAR: name and e-mail address")
    threads: int = Field(default=2, ge=1, description="threads of the numerical kernels")

    @property
    def cache_dir(self) -> Path:
        """Folder of the memory-mapped Arrow cache."""
        return self.home / "cache"

    @property
    def cluster_dir(self) -> Path:
        """Data folder of the embedded server."""
        return self.home / "postgres"


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
