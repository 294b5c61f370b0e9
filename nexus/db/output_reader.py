"""What modules wrote, as a reader at a close knows it: of one version, and of one set of weights, never a mix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nexus.db.bars import Floats
from nexus.db.fingerprint import digest
from nexus.db.outputs import day_of, output_table
from nexus.db.request import Days, Ints, Request
from nexus.db.snapshot import Arrays, ArrowReader, to_arrays, values
from nexus.errors import InputError

_UNTRAINED = "date '0001-01-01'"
_VISIBLE = """
FROM {table} o JOIN model_runs r USING (run_id)
WHERE ({{version}}::text IS NULL OR o.model_version = {{version}}) AND r.load_id <= {{load_id}}
AND o.{day} <= {{last}} AND o.known_at <= {{until}} AND {about} AND {fitted}
"""
_VERSIONS = "SELECT DISTINCT o.model_version AS version {visible}"
_ROWS = """
SELECT o.company_id, o.{day} AS day, o.chunk, {trained_to} AS trained_to, o.known_at, {columns} {visible}
ORDER BY o.chunk, o.{day}, o.company_id
"""
# what the run said it read, and the snapshots that the rows are of; where neither is known, the worst snapshot there is
_TIER = """
WITH made AS (SELECT DISTINCT r.tier, {of} AS of, o.{day} AS day {visible})
SELECT max(coalesce(greatest(made.tier, s.tier),
                    (SELECT max(tier) FROM graph_snapshots WHERE load_id <= {{load_id}}), 'C')) AS tier
FROM made LEFT JOIN graph_snapshots s ON s.snapshot_date = made.day AND s.graph_version = made.of
"""


@dataclass(frozen=True)
class ModelRows:
    """Rows (k,) of one model version, by chunk, day and company.

    arrays : company_id, day, chunk, trained_to, known_at
    values : (k, d), NaN beyond `dim` (k,) where a chunk has fewer dimensions than another
    learned : whether the rows depend on weights; those of one chunk only are then read together
    tier : the worst of what they were made of; None without a row
    """

    arrays: Arrays
    values: NDArray[Any]
    dim: Ints
    learned: bool
    tier: str | None

    @property
    def fingerprint(self) -> str:
        """Hash of what was read."""
        return digest(*(self.arrays[name] for name in sorted(self.arrays)), self.values, self.dim, self.tier)

    def on(self, companies: Ints) -> ModelRows:
        """The rows about these companies, ascending ids: `column` is the place of each."""
        kept = np.isin(self.arrays["company_id"], companies)
        arrays = {name: array[kept] for name, array in self.arrays.items()}
        arrays["column"] = np.searchsorted(companies, arrays["company_id"]).astype(np.int64)
        return ModelRows(arrays, self.values[kept], self.dim[kept], self.learned, self.tier)

    def newest(self, day: np.datetime64, instant: int, n: int, n_companies: int) -> tuple[Days, Floats]:
        """The `n` newest days known at `instant`, the close of `day`, oldest first: (k,) and (k, n_companies, d).

        Learned rows are those of the chunk whose weights were trained to the latest day before `day`.
        """
        if n < 1:
            raise InputError(f"{n} days of a module's rows: ask for one at least")
        rows = self._seen(day, instant)
        days: Days = np.unique(self.arrays["day"][rows])[-n:]
        rows = rows[self.arrays["day"][rows] >= days[0]] if len(days) else rows
        width = int(self.dim[rows].max(initial=0)) if len(rows) else self.values.shape[1]
        result = np.full((len(days), n_companies, width), np.nan)
        places = np.searchsorted(days, self.arrays["day"][rows]), self.arrays["column"][rows]
        result[places] = self.values[rows, :width]  # by chunk: of unlearned rows the last one holds
        return days, result

    def _seen(self, day: np.datetime64, instant: int) -> Ints:
        arrays = self.arrays
        seen = (arrays["known_at"] <= instant) & (arrays["day"] <= day) & (arrays["trained_to"] < day)
        for name in ("trained_to", "chunk") if self.learned else ():
            if seen.any():
                seen &= arrays[name] == arrays[name][seen].max()
        return np.flatnonzero(seen)


def read_embeddings(reader: ArrowReader, request: Request, version: str) -> ModelRows:
    """Embeddings of one model version."""
    rows, tier = _read(reader, request, "node_embeddings", version, ["embedding", "embedding_dim"])
    dims = values(rows, "embedding_dim")
    lists = rows.column("embedding")
    flat = np.concatenate([np.empty(0, np.float32), *(chunk.flatten().to_numpy() for chunk in lists.chunks)])
    matrix = np.full((len(dims), int(dims.max(initial=0))), np.nan, np.float32)
    matrix[np.arange(matrix.shape[1]) < dims[:, None]] = flat
    return ModelRows(to_arrays(rows.drop_columns(["embedding", "embedding_dim"])), matrix, dims, True, tier)


def read_predictions(reader: ArrowReader, request: Request, version: str) -> ModelRows:
    """Scores of one model version of `graph_predictions`."""
    rows, tier = _read(reader, request, "graph_predictions", version, ["score"])
    return _numbers(to_arrays(rows.drop_columns(["score"])), values(rows, "score"), True, tier)


def read_centrality(reader: ArrowReader, request: Request, columns: Sequence[str]) -> dict[str, ModelRows]:
    """Columns of `centrality_history`, of the highest model version there is ("c-10" is higher than "c-9")."""
    table = "centrality_history"
    found = reader.table(_statement(_VERSIONS, table, request), **_asked(request, None))
    version = max(found["version"].to_pylist(), key=_natural, default="")
    rows, tier = _read(reader, request, table, version, columns)
    arrays = to_arrays(rows.drop_columns(list(columns)))
    return {name: _numbers(arrays, values(rows, name).astype(np.float64), False, tier) for name in columns}


def _numbers(arrays: Arrays, numbers: Floats, learned: bool, tier: str | None) -> ModelRows:
    return ModelRows(arrays, numbers[:, None], np.ones(len(numbers), dtype=np.int64), learned, tier)


def _read(
    reader: ArrowReader, request: Request, table: str, version: str, columns: Sequence[str]
) -> tuple[pa.Table, str | None]:
    """Rows of one version that the request lets be seen, and their tier."""
    asked = _asked(request, version)
    rows = reader.table(_statement(_ROWS, table, request, columns), **asked)
    return rows, reader.table(_statement(_TIER, table, request), **asked)["tier"][0].as_py()


def _statement(template: str, name: str, request: Request, columns: Sequence[str] = ()) -> str:
    table = output_table(name)
    day = day_of(table)
    fitted = "true" if request.in_sample else "o.split <> 'train'"
    return template.format(
        visible=_VISIBLE.format(table=name, day=day, about=request.about("o.company_id"), fitted=fitted),
        day=day,
        columns=", ".join(f"o.{column}" for column in columns),
        trained_to="o.trained_to" if "trained_to" in table.columns else _UNTRAINED,
        of="o.graph_version" if "graph_version" in table.columns else "NULL::text",
    )


def _asked(request: Request, version: str | None) -> dict[str, Any]:
    last = request.market.days[-1].item()
    return {"version": version, "load_id": request.load_id, "until": request.until, "last": last}


def _natural(version: str) -> list[tuple[str, int]]:
    """Numbers in a version count as numbers."""
    return [(word, int(number or -1)) for word, number in re.findall(r"(\D*)(\d*)", version)]
