"""The bulk reader of relations against plain SQL, one query a day."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from graph_rows import RELATION, add, close, entities
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.graph import NODE_TYPES
from nexus.db.relations import Relations
from nexus.errors import InputError

SOURCES = ("zeta", "alpha", "mu")
"""In order of preference, which is not that of their names."""
FIRST = pd.Timestamp("2020-01-01")
BOTH_WAYS = ("Odd",)
TWIN = text("""
WITH known AS (
    SELECT DISTINCT ON (src_id, relation, dst_id, valid_from, source) *, array_position(:sources, source) - 1 AS rank,
           CASE WHEN relation = ANY(:both_ways) THEN ARRAY[least(src_id, dst_id), greatest(src_id, dst_id)]
                ELSE ARRAY[src_id, dst_id] END AS pair
    FROM relations WHERE known_at <= :instant AND load_id <= :load_id
    ORDER BY src_id, relation, dst_id, valid_from, source, known_at DESC
), heard AS (
    SELECT * FROM known k
    WHERE rank = (SELECT min(rank) FROM known other WHERE other.pair = k.pair AND other.relation = k.relation)
)
SELECT DISTINCT ON (relation, pair) relation, src_id, dst_id, rank, weight
FROM heard WHERE valid_from <= :day AND (valid_to IS NULL OR :day < valid_to)
ORDER BY relation, pair, valid_from DESC, src_id
""")


@pytest.fixture(scope="module")
def loads(database: Database) -> list[int]:
    """Vintages at random of few edges, so that they collide; three loads of each source."""
    ids = [*entities(database, "company", "abcd").values(), *entities(database, "fund", "fg").values()]
    random = np.random.default_rng(5)
    done = []
    for turn in range(3):
        for place, source in enumerate(SOURCES):
            n = 150
            start = FIRST + pd.to_timedelta(random.integers(0, 6, n) * 20, "D")
            known = (
                start
                + pd.to_timedelta(random.integers(0, 100, n), "D")
                + pd.to_timedelta(turn * 7 + random.integers(0, 60, n), "h")
            )
            frame = pd.DataFrame(
                {
                    "src_id": random.choice(ids[:4], n), "relation": random.choice(["supplies", "holds", "Odd"], n),
                    "dst_id": random.choice(ids[2:], n), "valid_from": start,
                    "valid_to": (start + pd.to_timedelta(random.integers(1, 90, n), "D")).where(random.random(n) < 0.5),
                    "weight": np.where(random.random(n) < 0.2, np.nan, random.random(n)), "known_at": known,
                }
            )  # fmt: skip
            frame = frame[frame["src_id"] != frame["dst_id"]].drop_duplicates(
                ["src_id", "relation", "dst_id", "valid_from", "known_at"]
            )
            done.append(_load(database, frame[RELATION], source, place))
    return done


def _load(database: Database, frame: pd.DataFrame, source: str, place: int) -> int:
    """Vintages that earlier loads have at the very same instant are left out."""
    with database.read() as connection:
        there = pd.DataFrame(connection.execute(text("SELECT * FROM relations WHERE source = :s"), {"s": source}).all())
    if len(there):
        key = ["src_id", "relation", "dst_id", "valid_from", "known_at"]
        seen = set(there.assign(valid_from=pd.to_datetime(there["valid_from"]))[key].itertuples(index=False, name=None))
        own = frame.assign(known_at=frame["known_at"].dt.tz_localize("UTC"))[key].itertuples(index=False, name=None)
        frame = frame[[row not in seen for row in own]]
    return add(database, "relations", frame.reset_index(drop=True), source=source, preference=10 + place)


@pytest.mark.parametrize("chosen", [SOURCES, ("alpha", "zeta")])
@pytest.mark.parametrize("load", [4, -1])
def test_equals_a_query_a_day(database: Database, loads: list[int], load: int, chosen: tuple[str, ...]) -> None:
    named = None if chosen == SOURCES else chosen
    relations = Relations.open(database, load_id=loads[load], sources=named, undirected=BOTH_WAYS)
    assert tuple(source.name for source in relations.sources) == chosen
    compared = 0
    with database.read() as connection:
        for days in range(0, 260, 9):
            for lag in (0, 40):
                day = (FIRST + pd.Timedelta(days=days)).date()
                instant = close(day) + timedelta(days=lag)
                holding = relations.at(_microseconds(instant), day)
                names = np.array(relations.names)[holding.relation]
                found = sorted(zip(names, holding.src, holding.dst, holding.source, holding.weight, strict=True))
                asked = {
                    "sources": list(chosen),
                    "both_ways": list(BOTH_WAYS),
                    "instant": instant,
                    "day": day,
                    "load_id": loads[load],
                }
                rows = sorted(tuple(row) for row in connection.execute(TWIN, asked))
                assert [row[:4] for row in found] == [row[:4] for row in rows]
                weights = [np.nan if row[4] is None else row[4] for row in rows]
                np.testing.assert_array_equal([row[4] for row in found], weights)
                compared += len(found)
    assert compared > 500


def test_a_source_that_nobody_knows(database: Database, loads: list[int]) -> None:
    with pytest.raises(InputError, match='source "nobody" is unknown'):
        Relations.open(database, sources=["nobody"])


def test_kinds(database: Database, loads: list[int]) -> None:
    relations = Relations.open(database)
    with database.read() as connection:
        rows = connection.execute(text("SELECT entity_id, kind FROM entities ORDER BY 1")).all()
    ids = np.array([row.entity_id for row in rows])
    assert [NODE_TYPES[place] for place in relations.kind(ids)] == [row.kind for row in rows]
    with pytest.raises(InputError, match="entity 99999: the database knows none"):
        relations.kind(np.array([99_999]))


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
