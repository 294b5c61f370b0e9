"""`nexus graph`: snapshots of who is tied to whom."""

from __future__ import annotations

from datetime import datetime

import click

from nexus.cli.output import as_json_option, database, emit, say, table
from nexus.cli.progress import bar
from nexus.graph.command import DAY, snapshots_command


@click.group()
def graph() -> None:
    """Build snapshots of who is tied to whom, and look at them."""


graph.add_command(snapshots_command(bar))


@graph.command()
@click.argument("day", type=DAY, required=False)
@click.option("--graph", "name", default="monthly", show_default=True, help="Recipe.")
@click.option("--load-id", type=int, help="See facts up to this load only.")
@as_json_option
def show(day: datetime | None, name: str, load_id: int | None, as_json: bool) -> None:
    """Count the nodes and edges of the newest snapshot by DAY, by type; without DAY, of the newest."""
    from datetime import date

    from nexus.db.graph_store import Snapshots

    found = Snapshots.open(database(), name, load_id=load_id).at(day.date() if day else date.max)
    rows = [("node", kind, len(ids)) for kind, ids in found.nodes.items()]
    rows += [("edge", " ".join(kind), len(edges)) for kind, edges in found.edges.items()]
    if as_json:
        emit({"day": found.day, "version": found.version, "tier": found.tier, "content_hash": found.content_hash,
              "nodes": {kind: n for what, kind, n in rows if what == "node"},
              "edges": {kind: n for what, kind, n in rows if what == "edge"}})  # fmt: skip
        return
    say(f"{found.version} of {found.day}, tier {found.tier}, content {found.content_hash[:12]}")
    table(rows, ["", "type", "count"])


@graph.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List what has been built: by graph and builder, the last of a graph being the one that is read."""
    from nexus.db.graph_versions import versions

    columns = ["graph", "builder", "snapshots", "first", "last", "contents", "load", "tiers", "built"]
    rows = [
        (one.graph, one.builder[:8], one.snapshots, one.first, one.last, one.contents, one.load_id, one.tiers,
         f"{one.built_at:%Y-%m-%d %H:%M}") for one in versions(database())
    ]  # fmt: skip
    table(rows, columns, as_json)
