"""`nexus module`: the verbs of every module there is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from nexus.contract.cli import verbs
from nexus.modules import MODULES

if TYPE_CHECKING:
    from nexus.contract.module import Module


class Modules(click.Group):
    """Modules by name; the code behind them is loaded when a verb runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The modules, and `list`."""
        return ["list", *sorted(MODULES)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verbs of a module."""
        if cmd_name == "list":
            return list_
        return verbs(cmd_name, lambda: load(cmd_name)) if cmd_name in MODULES else None


@click.group(cls=Modules)
def module() -> None:
    """Train what learns, and write what modules say."""


@click.command("list")
def list_() -> None:
    """List the modules, and where each lives."""
    for name, path in sorted(MODULES.items()):
        click.echo(f"{name:<24} {path}")


def load(name: str) -> Module[Any]:
    """The module of that name."""
    path, attribute = MODULES[name].split(":")
    return getattr(import_module(path), attribute)  # type: ignore[no-any-return]
