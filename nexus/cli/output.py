"""What commands print: plain text that survives any terminal, or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nexus.db.engine import Database

as_json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def database() -> Database:
    """The configured database, created and brought to head where it is not."""
    from nexus.db import admin
    from nexus.db.engine import Database

    return admin.ready(Database.configured())


def say(line: str) -> None:
    """Print one line."""
    click.echo(line)


def emit(value: Any) -> None:
    """Print `value` as JSON; dates, UUIDs and numpy scalars as text or numbers."""
    click.echo(json.dumps(value, default=_plain, indent=2, allow_nan=False))


def table(rows: Iterable[Sequence[Any]], columns: Sequence[str], as_json: bool = False) -> None:
    """Print rows under their column names, aligned; numbers to the right."""
    rows = [list(row) for row in rows]
    if as_json:
        emit([dict(zip(columns, map(_finite, row), strict=True)) for row in rows])
        return
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells), 0) for i, name in enumerate(columns)]
    numeric = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(columns))]
    for line in [list(columns), ["-" * width for width in widths], *cells]:
        parts = [f"{text:>{w}}" if n else f"{text:<{w}}" for text, w, n in zip(line, widths, numeric, strict=True)]
        click.echo("  ".join(parts).rstrip())
    click.echo(f"({len(cells)} row{'s' if len(cells) != 1 else ''})")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    text = str(value).replace("\n", " ")
    return text if len(text) <= 96 else text[:93] + "..."


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return _finite(value.item())
    return str(value)
