"""Running a command: an error that a user can act on is one sentence and an exit status."""

from __future__ import annotations

import sys

import click

from nexus.errors import NexusError


def run(command: click.Command) -> None:
    """Run `command` on the arguments of the process, and leave with its status."""
    try:
        # click hands back the status of Exit here, and what the command returned otherwise: ours return nothing
        sys.exit(command(standalone_mode=False))
    except NexusError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
