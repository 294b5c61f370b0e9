"""Logging of the command line: one stream, plain text, safe for any terminal."""

from __future__ import annotations

import logging
import sys


def configure(verbose: bool = False) -> None:
    """Send log records to standard error; `verbose` includes debug records of nexus."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("nexus").setLevel(logging.DEBUG if verbose else logging.INFO)
