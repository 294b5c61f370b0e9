"""Staged rows against the vintages that are there: which go in, when they were known, which are contradicted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from nexus.db.arrange import Ints
from nexus.db.copy import copy
from nexus.db.shape import Shape

MANY = 20_000  # rows from which a join of whole ranges beats as many descents of the index


@dataclass(frozen=True)
class Verdicts:
    """What a load has to do: rows to insert, and the places of rows that contradict a vintage."""

    inserted: int
    contradicted: Ints


def newest_load(connection: Connection, shape: Shape, source: str) -> int | None:
    """The last load that put rows like those of `source` into the table; None: none is there, as each has its load."""
    key = {"table": shape.name, "source": source, "per_source": shape.per_source}
    found = connection.scalar(_NEWEST_LOAD, key)
    return None if found is None else int(found)


def range_is_empty(connection: Connection, shape: Shape, source: str, rows: pa.Table) -> bool:
    """Whether no leading key has a row of `source` between its first and last day; False where no day is in the key."""
    lead, day = shape.key[0], shape.day
    if day is None or not rows.num_rows:
        return not rows.num_rows
    spans = rows.select([lead, day]).group_by(lead).aggregate([(day, "min"), (day, "max")])
    kind = shape.table.columns[lead].type.compile()
    probe = text(
        f"SELECT EXISTS (SELECT FROM unnest(CAST(:leads AS {kind}[]), :firsts, :lasts) AS span (lead, first, last) "
        f"WHERE EXISTS (SELECT FROM {shape.name} f WHERE f.{lead} = span.lead "
        f"AND f.{day} BETWEEN span.first AND span.last AND f.source = :source))"
    )
    columns = {"leads": spans[lead], "firsts": spans[f"{day}_min"], "lasts": spans[f"{day}_max"]}
    return not connection.scalar(
        probe, {name: column.to_pylist() for name, column in columns.items()} | {"source": source}
    )


def stage(connection: Connection, shape: Shape, rows: pa.Table) -> None:
    """COPY arranged `rows`, numbered by place, to the temporary table `staged`."""
    key, values = ", ".join(shape.key), ", ".join(shape.values)
    connection.execute(
        text(
            f"CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {key}, known_at, known_at AS default_known_at, "
            f"{values}, true AS followed, 0 AS n FROM {shape.name} WITH NO DATA"
        )
    )
    numbered = rows.append_column("n", pa.array(np.arange(rows.num_rows, dtype=np.int32)))
    told = [name for name in numbered.column_names if numbered[name].null_count < rows.num_rows]
    copy(connection, "staged", numbered.select(told), jsonb=shape.jsonb)


def judge(connection: Connection, shape: Shape, source: str, rows: pa.Table, overtaken_after: int | None) -> Verdicts:
    """Compare `rows`, staged, with the vintages, under the ingest lock; leave the verdicts in `judged`.

    overtaken_after : rows without a known_at give way to vintages of later loads than this; None: to none
    """
    connection.execute(_JUDGED)
    if rows.num_rows > MANY:
        _prefer_merging(connection, shape)
    if rows["known_at"].null_count < rows.num_rows:
        connection.execute(text(_stamped(shape)), {"source": source})
    if rows["known_at"].null_count:
        connection.execute(text(_assumed(shape)), {"source": source, "overtaken_after": overtaken_after})
    inserted = connection.scalar(text("SELECT count(*) FROM judged WHERE NOT contradicted"))
    places = connection.scalars(text("SELECT n FROM judged WHERE contradicted ORDER BY n")).all()
    return Verdicts(int(inserted or 0), np.array(places, dtype=np.int64))


def insert_judged(connection: Connection, shape: Shape, source: str, load_id: int, opened_at: datetime) -> None:
    """Insert what `judge` let through as rows of load `load_id`."""
    columns = ", ".join((*shape.key, *shape.values))
    chosen = ", ".join(f"s.{name}" for name in (*shape.key, *shape.values))
    connection.execute(
        text(
            f"INSERT INTO {shape.name} ({columns}, source, known_at, load_id) "
            f"SELECT {chosen}, :source, coalesce(j.known_at, greatest(:opened_at, j.not_before)), :load_id "
            f"FROM judged j JOIN staged s USING (n) WHERE NOT j.contradicted ORDER BY n"
        ),
        {"source": source, "load_id": load_id, "opened_at": opened_at},
    )


def copy_straight(connection: Connection, shape: Shape, source: str, rows: pa.Table, load_id: int) -> None:
    """COPY arranged `rows` into the table itself: nothing there has one of their keys."""
    columns = {name: rows[name] for name in (*shape.key, *shape.values)}
    columns["source"] = pa.repeat(source, rows.num_rows)
    columns["known_at"] = pc.coalesce(rows["known_at"], rows["default_known_at"])
    columns["load_id"] = pa.repeat(pa.scalar(load_id, pa.int64()), rows.num_rows)
    copy(connection, shape.name, pa.table(columns), jsonb=shape.jsonb)


def _prefer_merging(connection: Connection, shape: Shape) -> None:
    """Both sides are in the order of the key; without statistics the planner would look rows up one by one."""
    connection.execute(text("SET LOCAL work_mem = '256MB'"))
    connection.execute(text("SET LOCAL enable_nestloop = off"))
    if not shape.has_text_key:  # to order texts by the rules of a language costs more than to hash them
        connection.execute(text("SET LOCAL enable_hashjoin = off"))


def _stamped(shape: Shape) -> str:
    """Rows with a known_at: unseen goes in as it stands, seen with another value is contradicted.

    An equal value at a later known_at goes in too: a vintage that arrives late may fall between the two,
    and what is known must not depend on the order of the files.
    """
    return f"""
        INSERT INTO judged
        SELECT s.n, s.known_at, NULL, f.load_id IS NOT NULL
        FROM staged s LEFT JOIN {shape.name} f ON {_same_fact(shape)} AND f.known_at = s.known_at
        WHERE s.known_at IS NOT NULL AND (f.load_id IS NULL OR {_differs(shape, "f")})
    """


def _assumed(shape: Shape) -> str:
    """Rows without: one hash join finds those that no vintage or another one is there for; only these are looked up.

    A new vintage is known from the load's instant, or just after the one it replaces where that is not yet known.
    """
    return f"""
        INSERT INTO judged
        WITH suspects AS (
            SELECT DISTINCT s.n, f.load_id IS NULL AS unseen
            FROM staged s LEFT JOIN {shape.name} f ON {_same_fact(shape)}
            WHERE s.known_at IS NULL AND (f.load_id IS NULL OR {_differs(shape, "f")})
        )
        SELECT n, CASE WHEN u.unseen OR ({_ends(shape)}) THEN s.default_known_at END,
            newest.known_at + interval '1 microsecond', false
        FROM suspects u JOIN staged s USING (n) LEFT JOIN LATERAL (
            SELECT f.* FROM {shape.name} f WHERE NOT u.unseen AND {_same_fact(shape)} ORDER BY f.known_at DESC LIMIT 1
        ) newest ON true
        WHERE u.unseen OR (s.followed IS NULL AND {_differs(shape, "newest")}
            AND newest.load_id <= coalesce(CAST(:overtaken_after AS bigint), newest.load_id))
    """


def _same_fact(shape: Shape) -> str:
    same = " AND ".join(f"f.{name} = s.{name}" for name in shape.key)
    return same + " AND f.source = :source" if shape.per_source else same


def _differs(shape: Shape, other: str) -> str:
    return "(" + " OR ".join(f"s.{name} IS DISTINCT FROM {other}.{name}" for name in shape.values) + ")"


def _ends(shape: Shape) -> str:
    """The end of an open spell is known when it ended, not when it was loaded."""
    if not shape.is_spell:
        return "false"
    others = [f"s.{name} IS NOT DISTINCT FROM newest.{name}" for name in shape.values if name != "valid_to"]
    ended = ["newest.valid_to IS NULL", "s.valid_to IS NOT NULL", "s.default_known_at > newest.known_at"]
    return " AND ".join([*ended, *others])


_NEWEST_LOAD = text(
    "SELECT max(load_id) FROM loads "
    "WHERE table_name = :table AND (source = :source OR NOT :per_source) AND rows_inserted > 0"
)
_JUDGED = text(
    "CREATE TEMP TABLE judged (n integer, known_at timestamptz, not_before timestamptz, contradicted boolean) "
    "ON COMMIT DROP"
)
