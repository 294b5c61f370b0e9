"""Edges between entities, every vintage in memory: which held on a day, as it was known then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.db.bars import Floats
from nexus.db.engine import Database
from nexus.db.graph import NODE_TYPES
from nexus.db.request import Ints, Source, read_sources
from nexus.db.snapshot import Arrays, Snapshot, codes, snapshot, to_arrays, values
from nexus.errors import InputError

# by edge the preferred source first, and of a source the latest spell
_ROWS = """
SELECT src_id, dst_id, relation, valid_from, coalesce(valid_to, '9999-12-31') AS valid_to, weight,
       CASE WHEN relation = ANY({undirected}) THEN least(src_id, dst_id) ELSE src_id END AS one,
       CASE WHEN relation = ANY({undirected}) THEN greatest(src_id, dst_id) ELSE dst_id END AS other,
       array_position({sources}, source) - 1 AS rank, known_at,
       coalesce(lead(known_at) OVER (PARTITION BY src_id, relation, dst_id, valid_from, source ORDER BY known_at),
                '9999-12-31 UTC'::timestamptz) AS superseded_at
FROM relations WHERE source = ANY({sources}) AND load_id <= {load_id}
ORDER BY relation COLLATE "C", one, other, rank, valid_from DESC, src_id
"""


@dataclass(frozen=True)
class Holding:
    """Edges (n,) that hold on a day, by relation; of each pair one, ordered unless the relation goes both ways.

    src, dst : entity ids; relation : place in `Relations.names`; source : rank of the source that says so
    weight : NaN where the source gives none
    """

    src: Ints
    dst: Ints
    relation: Ints
    weight: Floats
    source: Ints


@dataclass(frozen=True)
class Relations:
    """All that the `relations` table says up to a load; see `Relations.open`.

    names : relations there are, ascending
    sources : by rank, the preferred first
    kinds : by entity id, the place of its kind in NODE_TYPES; -1 for ids that nobody has
    """

    load_id: int
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    kinds: NDArray[np.int8]
    _rows: Arrays = field(repr=False)

    @classmethod
    def open(
        cls,
        database: Database,
        *,
        load_id: int | None = None,
        sources: Sequence[str] | None = None,
        undirected: Collection[str] = (),
    ) -> Relations:
        """Read every vintage in one snapshot.

        load_id : rows of later loads are not seen; default the highest now
        sources : in order of preference, no others are read; default all, by `sources.preference`, then name
        undirected : relations of which (a, b) and (b, a) are one edge

        Raises
        ------
        InputError
            For a load or a source that the database does not have.
        """
        with snapshot(database, load_id) as moment, moment.arrow() as reader:
            known = read_sources(moment, sources)
            names = [source.name for source in known]
            table = reader.table(_ROWS, sources=names, undirected=list(undirected), load_id=moment.load_id)
            kinds = _kinds(moment)
        places, relations = codes(table, "relation")
        rows = to_arrays(table.drop_columns("relation"))
        rows["weight"] = values(table, "weight").astype(np.float64)
        rows["relation"] = places
        rows["edge"] = _numbered(places, rows.pop("one"), rows.pop("other"))
        return cls(moment.load_id, tuple(str(name) for name in relations), known, kinds, rows)

    def at(self, instant: int, day: Any) -> Holding:
        """What a reader at `instant` (microseconds since 1970 UTC) holds to be so on `day`.

        Of an edge the newest vintages of the preferred source decide that has said anything about it by then: an edge
        that has ended by that source has ended, whatever another still says. Where its spells overlap, the latest
        tells the weight.
        """
        rows, on = self._rows, np.datetime64(day, "D")
        known = np.flatnonzero((rows["known_at"] <= instant) & (instant < rows["superseded_at"]))
        edge, source = rows["edge"][known], rows["rank"][known]
        first = _first(edge)
        known = known[source == source[first][np.cumsum(first) - 1]]
        holds = known[(rows["valid_from"][known] <= on) & (on < rows["valid_to"][known])]
        taken = holds[_first(rows["edge"][holds])]
        return Holding(*(rows[name][taken] for name in ("src_id", "dst_id", "relation", "weight", "rank")))

    def kind(self, ids: Ints) -> NDArray[np.int8]:
        """The kind of each entity, as its place in NODE_TYPES.

        Raises
        ------
        InputError
            For an id that is no entity's.
        """
        found = np.where(ids < len(self.kinds), self.kinds[np.minimum(ids, len(self.kinds) - 1)], -1)
        if (found < 0).any():
            raise InputError(f"entity {ids[found < 0][0]}: the database knows none of that id; ingest it first")
        return found.astype(np.int8)


def _kinds(moment: Snapshot) -> NDArray[np.int8]:
    rows = moment.rows("SELECT entity_id, kind FROM entities")
    kinds = np.full(max((row.entity_id for row in rows), default=0) + 1, -1, np.int8)
    for row in rows:
        kinds[row.entity_id] = NODE_TYPES.index(row.kind)
    return kinds


def _numbered(*keys: Ints) -> Ints:
    """A number for each run of equal keys, ascending."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return np.cumsum(new) - 1


def _first(edge: Ints) -> NDArray[np.bool_]:
    """Whether each row is the first of its edge."""
    first = np.ones(len(edge), dtype=bool)
    first[1:] = edge[1:] != edge[:-1]
    return first
