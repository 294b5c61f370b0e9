"""58 snapshots embedded and upserted, 8,120 rows of 64 floats, against PyG a snapshot at a time and `to_sql`.

    python research/benchmarks/hgt_embed.py

Both start from the tensors of the snapshots and end with the commit; each turn writes a chunk of its own, so nothing is
there before. Ours goes into `node_embeddings` by its checks, the peer into a table just like it. The two tables must
hold the same at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from itertools import count
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from graphs import MONTHS, NODES, months
from harness import interleaved, peak_rss_gib, report, seconds
from sqlalchemy import ARRAY, REAL, Uuid, text
from store import companies, throw_away
from torch import Tensor

from nexus.db.engine import Database
from nexus.db.outputs import upsert
from nexus.graph.gnn.data import HISTORY, metadata, tensors
from nexus.maths.types import Ints
from nexus.nn.hetero import Tensors
from nexus.nn.hgt import HGTEncoder

THREADS, REPEATS = 2, 4
WIDTH = 64
RUN = UUID(int=1)


class Embedding:
    """Both ways from snapshots to rows."""

    def __init__(self, database: Database) -> None:
        graphs = months()
        self.database = database
        self.days: list[date] = [graph.day.astype(object) for graph in graphs]
        self.ids: Ints = companies(database, NODES["company"])
        self.snapshots: list[Tensors] = [tensors(g, graphs[max(0, i - HISTORY) : i]) for i, g in enumerate(graphs)]
        torch.manual_seed(0)
        self.encoder = HGTEncoder(metadata(graphs)).eval()

    def same_for_all(self, chunk: int) -> dict[str, object]:
        """What every row of a turn says."""
        last = max(self.days)
        return {
            "model_version": "bench-1", "chunk": chunk, "graph_version": "simulated.0@0", "embedding_dim": WIDTH,
            "trained_to": last, "split": "test", "known_at": datetime.combine(last, time(21), UTC), "run_id": RUN,
        }  # fmt: skip

    def ours(self, chunk: int) -> None:
        """As the runner writes: columns of Arrow, the floats where torch left them."""
        found = [each["company"] for each in self.encoder.embed(self.snapshots)]
        values = pa.array(torch.cat(found).numpy().reshape(-1))
        n = len(values) // WIDTH
        rows = {
            "company_id": pa.array(np.tile(self.ids, len(found))),
            "snapshot_date": pa.array(np.repeat(np.array(self.days, "datetime64[D]"), len(self.ids))),
            "embedding": pa.ListArray.from_arrays(pa.array(np.arange(0, len(values) + 1, WIDTH, np.int32)), values),
        }
        for name, value in self.same_for_all(chunk).items():
            rows[name] = pa.repeat(value.bytes if isinstance(value, UUID) else value, n)
        with self.database.write() as connection:
            assert upsert(connection, "node_embeddings", pa.table(rows)) == n

    def peer(self, chunk: int) -> None:
        """As one writes it the first time."""
        frames = []
        for day, embedded in zip(self.days, self._one_by_one(), strict=True):
            rows = {"company_id": self.ids, "snapshot_date": day, "embedding": embedded.tolist()}
            frames.append(pd.DataFrame({**rows, **self.same_for_all(chunk)}))
        with self.database.owner() as connection:
            kinds = {"embedding": ARRAY(REAL), "run_id": Uuid()}
            pd.concat(frames).to_sql("bench_embeddings", connection, if_exists="append", index=False, dtype=kinds)

    def _one_by_one(self) -> Iterator[Tensor]:
        with torch.no_grad():
            for snapshot in self.snapshots:
                yield self.encoder(snapshot.features, snapshot.edge_index)["company"]


def check(database: Database) -> None:
    """The newest chunk of either table: the same keys, embeddings within single precision, nothing missing."""
    found = []
    with database.owner() as connection:
        for table in ("node_embeddings", "bench_embeddings"):
            newest = f"chunk = (SELECT max(chunk) FROM {table})"
            query = f"SELECT company_id, snapshot_date, embedding FROM {table} WHERE {newest} ORDER BY 1, 2"
            rows = connection.execute(text(query)).all()
            found.append(([tuple(row[:2]) for row in rows], np.array([row[2] for row in rows])))
    (keys, ours), (peer_keys, theirs) = found
    assert keys == peer_keys and ours.shape == (MONTHS * NODES["company"], WIDTH)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def main() -> None:
    torch.set_num_threads(THREADS)
    with throw_away() as database:
        work, chunk = Embedding(database), count()
        with database.owner() as connection:
            connection.execute(text("CREATE TABLE bench_embeddings (LIKE node_embeddings INCLUDING ALL)"))
        work.ours(next(chunk))
        peak = peak_rss_gib()
        work.peer(next(chunk))
        best = interleaved(
            lambda: seconds(lambda: work.ours(next(chunk))),
            lambda: seconds(lambda: work.peer(next(chunk))),
            REPEATS,
            REPEATS,
        )
        check(database)
    report("hgt_embed", *best, 3, "PyG, a snapshot at a time, and to_sql", peak)


if __name__ == "__main__":
    main()
