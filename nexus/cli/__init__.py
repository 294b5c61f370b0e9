"""The command line: parse, call, print. A group is imported only when one of its commands runs."""

from __future__ import annotations

from importlib import import_module

import click

from nexus import __version__
from nexus.cli.run import run

GROUPS = {
    "audit": ("nexus.cli.audit", "Check facts, the ledger and factors for what should not be."),
    "backtest": ("nexus.cli.backtest", "Trade what passed on history, with costs."),
    "db": ("nexus.cli.db", "Start, upgrade and question the database."),
    "demo": ("nexus.cli.demo", "Ingest, evaluate, register; print the registry and write a report."),
    "graph": ("nexus.cli.graph", "Build snapshots of who is tied to whom, and look at them."),
    "hpo": ("nexus.cli.hpo", "Look at searches for hyper-parameters."),
    "ingest": ("nexus.cli.ingest", "Bring facts in, each with the moment it became known."),
    "ledger": ("nexus.cli.ledger", "Carry the record of all trials to another database."),
    "module": ("nexus.cli.module", "Train what learns, and write what modules say."),
    "paper": ("nexus.cli.paper", "Trade what passed on paper, an evening at a time."),
    "signals": ("nexus.cli.signals", "Evaluate factors, and see which stand."),
}


class Groups(click.Group):
    """Top-level commands by name; the modules behind them are loaded on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in GROUPS:
            return None
        return getattr(import_module(GROUPS[cmd_name][0]), cmd_name)  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(GROUPS.items())])


@click.group(cls=Groups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nexus")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done.")
def cli(verbose: bool) -> None:
    """nexus: a signal-research database that cannot be talked into fooling you."""
    from nexus import log

    log.configure(verbose)


def main() -> None:
    """Run the command line."""
    run(cli)
