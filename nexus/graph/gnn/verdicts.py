"""The gate of link prediction on what was trained walk-forward: every test snapshot by weights that had not seen it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nexus.contract.reading import chunks_of, days_of, read_prediction
from nexus.contract.runner import restore
from nexus.contract.splits import Chunk, Plan
from nexus.db.graph import EdgeType
from nexus.graph.gnn.gate import LinkVerdict, Score, verdict
from nexus.graph.gnn.trainer import HGT, HGTLinks

if TYPE_CHECKING:
    from nexus.db.engine import Database


def sentences(verdicts: Sequence[LinkVerdict]) -> Iterator[str]:
    """The verdicts in words; those on edge types without a single new edge together."""
    yield from (each.sentence for each in verdicts if each.n_new)
    if still := ["-".join(each.edge_type) for each in verdicts if not each.n_new]:
        yield f"{', '.join(still)}: undecidable: no new edge; the graph is static and the AUC says nothing"


def link_verdicts(
    database: Database,
    plan: Plan | None = None,
    chunks: Sequence[Chunk] | None = None,
    *,
    module: HGTLinks = HGT,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    home: Path | None = None,
    load_id: int | None = None,
) -> list[LinkVerdict]:
    """One verdict per edge type, on the new edges after every test snapshot of the plan's chunks.

    chunks : default all of the plan; late ones, whose parameters were chosen on their test days, have no say
    params, seed, home : say which trainings, as in `nexus.contract.runner.restore`

    Raises
    ------
    InputError
        When a chunk is not trained.
    """
    plan = plan or Plan()
    days = days_of(database, module, plan, load_id)
    panel = read_prediction(database, module, days, load_id)
    model: dict[EdgeType, list[Score]] = {}
    rules: dict[EdgeType, dict[str, list[Score]]] = {}
    for chunk in chunks_of(database, module, plan, load_id) if chunks is None else chunks:
        if chunk.late:
            continue
        restored = restore(module, chunk, params=params, seed=seed, device=device, home=home)
        after = days[days.index(chunk.test[-1]) + 1 :][:1]
        examples = module.examples(panel, [*chunk.test, *after])
        for asked, score in module.marks(restored.state, examples):
            if asked.kind == "new":
                model.setdefault(asked.edge_type, []).append(score)
                for name, rule in asked.rules.items():
                    rules.setdefault(asked.edge_type, {}).setdefault(name, []).append(rule)
        for edge_type in examples.transitions:
            model.setdefault(edge_type, [])
    return [verdict(edge_type, model[edge_type], rules.get(edge_type, {})) for edge_type in sorted(model)]
