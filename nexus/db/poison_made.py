"""Poison for what was made of the facts: graph snapshots, and the outputs of modules.

Rows vanish and are invented, and then every one that is known after t is changed, the invented ones too.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Double, Integer, Table
from sqlalchemy.dialects.postgresql import JSONB

from nexus.db.outputs import day_of
from nexus.db.tables import OUTPUTS, graph_edge_arrays, graph_node_arrays, graph_snapshots

GUARDED = ("graph_snapshots", "graph_node_arrays", "graph_edge_arrays")
"""Insert-only tables among them."""
MONTHS_LATER = 61
OTHER_CHUNK = 1000

_AFTER = "known_at > :close AND known_at <= :last"
_MOMENT_LATER = "CAST(:close AS timestamptz) + interval '1 microsecond'"
_KEPT = "hashint4({}) & 3 <> 0"
# of a quarter of the days nothing is heard any more
_GONE = f"{_AFTER} AND hashint4(s.snapshot_date - date '2000-01-01') & 3 = 0"


def statements() -> Iterator[str]:
    """SQL with the parameters close, last and day, in the order in which it is to be run."""
    yield from _graphs()
    for table in OUTPUTS.values():
        yield from _output(table)


def _graphs() -> Iterator[str]:
    for arrays in (graph_node_arrays, graph_edge_arrays):
        yield f"DELETE FROM {arrays.name} a USING graph_snapshots s WHERE {_of('s', 'a')} AND {_GONE}"
    yield f"DELETE FROM graph_snapshots s WHERE {_GONE}"
    # a later snapshot, and a better one of the same day by another builder
    for shift, mark in ((MONTHS_LATER, "+"), (0, "!")):
        for table in (graph_edge_arrays, graph_node_arrays, graph_snapshots):
            yield _copies(table, shift, mark)
    kept_edge = f"{_KEPT.format('s')} AND {_KEPT.format('d')}"
    yield (
        "UPDATE graph_edge_arrays a SET (src_ids, src_counts, dst_ids, weights) = ("
        "WITH kept AS (SELECT * FROM unnest(repeated(a.src_ids, a.src_counts), a.dst_ids, a.weights) "
        f"WITH ORDINALITY u (s, d, w, i) WHERE {kept_edge}), "
        "sources AS (SELECT s, count(*)::integer AS n FROM kept GROUP BY s) "
        "SELECT ARRAY(SELECT s FROM sources ORDER BY s), ARRAY(SELECT n FROM sources ORDER BY s), "
        "ARRAY(SELECT d FROM kept ORDER BY i), ARRAY(SELECT (w * 1.37 + 1)::real FROM kept ORDER BY i)) "
        f"FROM graph_snapshots t WHERE {_of('t', 'a')} AND {_AFTER}"
    )
    yield (
        f"UPDATE graph_node_arrays a SET entity_ids = ARRAY(SELECT id FROM unnest(a.entity_ids) id "
        f"WHERE {_KEPT.format('id')} ORDER BY id) FROM graph_snapshots t WHERE {_of('t', 'a')} AND {_AFTER}"
    )
    yield f"UPDATE graph_snapshots SET content_hash = md5(content_hash), n_edges = n_edges + 1 WHERE {_AFTER}"


def _copies(table: Table, shift: int, mark: str) -> str:
    """Rows of the newest known snapshot of each graph, under another version."""
    replaced = {
        "snapshot_date": f"a.snapshot_date + {shift}",
        "graph_version": f"a.graph_version || '{mark}'",
        "builder": f"a.builder || '{mark}'",
        "known_at": _MOMENT_LATER,
        "created_at": "clock_timestamp()",
    }
    names = list(table.columns.keys())
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(replaced.get(name, f'a.{name}') for name in names)} FROM {table.name} a JOIN ("
        "SELECT DISTINCT ON (graph) snapshot_date, graph_version FROM graph_snapshots WHERE known_at <= :close "
        f"ORDER BY graph, snapshot_date DESC, created_at DESC) newest ON {_of('newest', 'a')} ON CONFLICT DO NOTHING"
    )


def _of(one: str, other: str) -> str:
    return f"({one}.snapshot_date, {one}.graph_version) = ({other}.snapshot_date, {other}.graph_version)"


def _output(table: Table) -> Iterator[str]:
    day = day_of(table)
    gone = "hashint4(company_id) & 3 = 0"
    key = [column.name for column in table.primary_key]
    yield f"DELETE FROM {table.name} WHERE {_AFTER} AND {gone}"
    # a later day, and another set of weights that was trained just before t
    for replaced in (
        {day: f"{day} + {MONTHS_LATER}"},
        {"chunk": f"chunk + {OTHER_CHUNK}", "trained_to": "CAST(:day AS date) - 1"},
    ):
        stamped = {**replaced, "known_at": _MOMENT_LATER}
        names = list(table.columns.keys())
        owner = ", ".join(name for name in key if name not in (day, "chunk"))
        yield (
            f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(stamped.get(n, n) for n in names)} "
            f"FROM (SELECT DISTINCT ON ({owner}) * FROM {table.name} WHERE known_at <= :close AND NOT {gone} "
            f"ORDER BY {owner}, {day} DESC, chunk DESC) newest ON CONFLICT DO NOTHING"
        )
    changed = {c.name: value for c in table.columns if c.name not in key for value in _changed(c, key)}
    yield f"UPDATE {table.name} SET {', '.join(f'{n} = {value}' for n, value in changed.items())} WHERE {_AFTER}"


def _changed(column: Column[object], key: list[str]) -> Iterator[str]:
    """What a value becomes, by a number of the row's own; nothing for stamps and what must fit another column."""
    name, drawn = column.name, f"hash_record_extended(ROW({', '.join(key)}), {len(column.name)})"
    if name == "probability":
        yield f"({drawn} & 1023) / 1024.0"
    elif name == "embedding":
        yield (
            f"(SELECT coalesce(array_agg((x * 1.37 + ((({drawn}) + i) & 1023) / 1024.0)::real ORDER BY i), '{{}}') "
            "FROM unnest(embedding) WITH ORDINALITY u (x, i))"
        )
    elif isinstance(column.type, Double):
        yield f"{name} * (1.37 + ({drawn} & 1023) / 1024.0) + 1"
    elif isinstance(column.type, JSONB):
        yield f"jsonb_build_object('poisoned', {drawn})"
    elif isinstance(column.type, Integer) and name != "embedding_dim":
        yield f"{name} + 1 + ({drawn} & 7)::integer"
