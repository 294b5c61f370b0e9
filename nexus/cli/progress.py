"""Progress on standard error."""

from nexus.contract.terminal import Walk, bar

__all__ = ["Walk", "bar"]
