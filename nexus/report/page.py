"""Self-contained pages: no network, no other file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from nexus import __version__
from nexus.report.words import number, percent


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Fill a template and write it to `path`, whole or not at all; return the path."""
    environment = Environment(loader=PackageLoader("nexus.report"), autoescape=True, undefined=StrictUndefined)
    environment.globals.update(number=number, percent=percent)
    page = environment.get_template(template).render(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), version=__version__, plotly=get_plotlyjs(), **values
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path
