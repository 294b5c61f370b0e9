"""Running a command."""

from nexus.contract.terminal import run

__all__ = ["run"]
