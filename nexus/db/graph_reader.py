"""Graph snapshots out of the database: all of a graph in one read, each decoded when it is asked for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.engine import Database
from nexus.db.fingerprint import digest
from nexus.db.graph import Edges, EdgeType, Graph
from nexus.db.request import FAR, Days, Ints
from nexus.db.snapshot import Arrays, ArrowReader, distinct, snapshot, to_arrays
from nexus.errors import InputError

_Parts = NDArray[np.int64]
_KEPT = 16  # decoded snapshots that are kept
_NEVER = (FAR - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
_FIRST, _LAST = date(1, 1, 1), date(9999, 12, 31)

# Of a day, the newest builder and of it the latest load; `superseded_at` is when a reader first knows a better one.
_CHOSEN = """
WITH candidates AS (
    SELECT *, max(created_at) OVER (PARTITION BY snapshot_date, builder) AS built FROM graph_snapshots
    WHERE graph = {graph} AND load_id <= {load_id} AND known_at <= {until} AND snapshot_date BETWEEN {first} AND {last}
), ranked AS (
    SELECT *, coalesce(min(known_at) OVER (
        PARTITION BY snapshot_date ORDER BY built DESC, builder, load_id DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '9999-12-31 UTC') AS superseded_at
    FROM candidates
), chosen AS (SELECT * FROM ranked WHERE known_at < superseded_at)
"""
_HEADS = f"""{_CHOSEN}
SELECT snapshot_date AS day, graph_version AS version, content_hash, tier, known_at, superseded_at
FROM chosen ORDER BY day, version
"""
_NODES = f"""{_CHOSEN}
SELECT snapshot_date AS day, graph_version AS version, node_type, entity_ids
FROM chosen JOIN graph_node_arrays USING (snapshot_date, graph_version) ORDER BY day, version, node_type
"""
_EDGES = f"""{_CHOSEN}
SELECT snapshot_date AS day, graph_version AS version, src_type, relation, dst_type, src_ids, src_counts,
    dst_ids, weights
FROM chosen JOIN graph_edge_arrays USING (snapshot_date, graph_version)
ORDER BY day, version, src_type, relation, dst_type
"""


@dataclass(frozen=True)
class Snapshots:
    """Snapshots of one graph, as of one load; see `Snapshots.open`.

    heads : per snapshot (k,), by day: day, version, content_hash, tier, known_at, superseded_at (another of the same
        day is the better one from then on)
    """

    graph: str
    heads: Arrays
    _nodes: pa.Table = field(repr=False)
    _edges: pa.Table = field(repr=False)
    _parts: tuple[_Parts, _Parts] = field(repr=False)
    _decoded: OrderedDict[int, Graph] = field(repr=False, default_factory=OrderedDict)

    @classmethod
    def open(
        cls,
        database: Database,
        graph: str,
        *,
        start: date | None = None,
        end: date | None = None,
        load_id: int | None = None,
    ) -> Snapshots:
        """Read the snapshots from `start` to `end`, per day that of the newest builder and its latest load.

        load_id : snapshots of later loads are not seen; default the highest now
        """
        with snapshot(database, load_id) as moment, moment.arrow() as reader:
            return read_snapshots(reader, graph, load_id=moment.load_id, start=start, end=end)

    @property
    def days(self) -> Days:
        """Days (n,) that have a snapshot, ascending."""
        return self.heads["day"][self._final()]

    @property
    def tier(self) -> str | None:
        """The worst tier among them; None without one."""
        return max(self.heads["tier"].tolist(), default=None)

    @property
    def companies(self) -> Ints:
        """Ids of all companies that are nodes of any of them, ascending."""
        kinds = np.array(self._nodes.column("node_type").to_pylist(), dtype=object)
        lists = self._nodes.column("entity_ids").filter(pa.array(kinds == "company"))
        return distinct(*(chunk.flatten().to_numpy().astype(np.int64) for chunk in lists.chunks))

    @property
    def fingerprint(self) -> str:
        """Hash of what was read: days, contents, when they were known."""
        return digest(self.graph, *(self.heads[name] for name in sorted(self.heads)))

    def at(self, day: Any) -> Graph:
        """The newest snapshot of `day` or before.

        Raises
        ------
        InputError
            When there is none.
        """
        found = self.last(day, 1)
        if not found:
            span = f"{self.days[0]} to {self.days[-1]}" if len(self.days) else "nothing"
            raise InputError(
                f'graph "{self.graph}": no snapshot by {day}, there is {span}; run `nexus graph snapshots`'
            )
        return found[0]

    def last(self, day: Any, n: int) -> list[Graph]:
        """The `n` newest of `day` or before, oldest first; fewer where there are fewer."""
        return self._take(self._final() & (self.heads["day"] <= np.datetime64(day, "D")), n)

    def known(self, day: np.datetime64, instant: int, n: int) -> list[Graph]:
        """The `n` newest of `day` or before known at `instant` (microseconds since 1970), oldest first."""
        heads = self.heads
        seen = (heads["known_at"] <= instant) & (instant < heads["superseded_at"]) & (heads["day"] <= day)
        return self._take(seen, n)

    def _final(self) -> NDArray[np.bool_]:
        final: NDArray[np.bool_] = self.heads["superseded_at"] == _NEVER
        return final

    def _take(self, chosen: NDArray[np.bool_], n: int) -> list[Graph]:
        if n < 1:
            raise InputError(f"{n} snapshots: ask for one at least")
        return [self._graph(int(place)) for place in np.flatnonzero(chosen)[-n:]]

    def _graph(self, place: int) -> Graph:
        if place in self._decoded:
            self._decoded.move_to_end(place)
            return self._decoded[place]
        made = self._decode(place)
        self._decoded[place] = made
        if len(self._decoded) > _KEPT:
            self._decoded.popitem(last=False)
        return made

    def _decode(self, place: int) -> Graph:
        node_rows, edge_rows = (range(starts[place], starts[place + 1]) for starts in self._parts)
        nodes = {_text(self._nodes, "node_type", row): _ids(self._nodes, "entity_ids", row) for row in node_rows}
        edges: dict[EdgeType, Edges] = {}
        for row in edge_rows:
            source, relation, target = (_text(self._edges, name, row) for name in ("src_type", "relation", "dst_type"))
            src = np.repeat(_ids(self._edges, "src_ids", row), _ids(self._edges, "src_counts", row))
            src.flags.writeable = False
            weight = _array(self._edges, "weights", row, np.float32)
            edges[source, relation, target] = Edges(src, _ids(self._edges, "dst_ids", row), weight)
        head = {name: array[place] for name, array in self.heads.items()}
        version, tier = str(head["version"]), str(head["tier"])
        return Graph(head["day"], self.graph, version, MappingProxyType(nodes), MappingProxyType(edges), tier)


def read_snapshots(
    reader: ArrowReader,
    graph: str,
    *,
    load_id: int,
    until: datetime = FAR,
    start: date | None = None,
    end: date | None = None,
) -> Snapshots:
    """Snapshots of `graph` from `start` to `end`, known by `until`, of loads up to `load_id`."""
    asked = {"graph": graph, "load_id": load_id, "until": until, "first": start or _FIRST, "last": end or _LAST}
    heads = to_arrays(reader.table(_HEADS, **asked))
    nodes, edges = reader.table(_NODES, **asked), reader.table(_EDGES, **asked)
    return Snapshots(graph, heads, nodes, edges, (_starts(heads, nodes), _starts(heads, edges)))


def _starts(heads: Arrays, rows: pa.Table) -> _Parts:
    """Where the rows of each snapshot start, (k + 1,): both are sorted by day and version."""
    names = zip(heads["day"].tolist(), heads["version"].tolist(), strict=True)
    keys = {name: place for place, name in enumerate(names)}
    owners = [keys[key] for key in zip(rows["day"].to_pylist(), rows["version"].to_pylist(), strict=True)]
    return np.searchsorted(np.array(owners, dtype=np.int64), np.arange(len(keys) + 1))


def _text(rows: pa.Table, column: str, row: int) -> str:
    return str(rows.column(column)[row].as_py())


def _ids(rows: pa.Table, column: str, row: int) -> Ints:
    return _array(rows, column, row, np.int64)


def _array(rows: pa.Table, column: str, row: int, kind: type) -> NDArray[Any]:
    """A copy of one list, read-only."""
    made: NDArray[Any] = np.array(rows.column(column)[row].values.to_numpy(), dtype=kind)
    made.flags.writeable = False
    return made
