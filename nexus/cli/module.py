"""`nexus module`: the verbs of every module there is."""

from __future__ import annotations

import click

from nexus.contract.cli import load, verbs
from nexus.modules import MODULES


class Modules(click.Group):
    """Modules by name; the code behind them is loaded when a verb runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The modules, and `list`."""
        return ["list", *sorted(MODULES)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verbs of a module."""
        if cmd_name == "list":
            return list_
        return verbs(cmd_name, lambda: load(MODULES[cmd_name])) if cmd_name in MODULES else None


@click.group(cls=Modules)
def module() -> None:
    """Train what learns, and write what modules say."""


@click.command("list")
def list_() -> None:
    """List the modules, and where each lives."""
    for name, path in sorted(MODULES.items()):
        click.echo(f"{name:<24} {path}")
