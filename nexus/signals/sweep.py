"""Judge many score arrays on one ground and count them together: what every evaluation goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from nexus.db.engine import Database
from nexus.db.ledger import Declaration
from nexus.db.runs import Run
from nexus.maths.types import Floats
from nexus.settings import settings
from nexus.signals.family import with_family
from nexus.signals.ground import Ground
from nexus.signals.judge import judge
from nexus.signals.labels import ENTRY_LAG
from nexus.signals.record import Circumstances, record
from nexus.signals.sketch import sketch, values_hash
from nexus.signals.software import code_hash, libraries
from nexus.signals.trial import Judgement, Trial

MODULE = "signals.evaluate"
VERSION = "1"
Progress = Callable[[Iterable["Scored"]], Iterable["Scored"]]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Scored:
    """Scores of one factor on a ground, and who it is.

    scores : (n_dates, n_companies), neutralised, NaN none
    raw : the same before neutralisation; None: `scores` are
    signal : its name in the registry
    """

    signal: str
    factor: str
    version: str
    code_hash: str
    params_hash: str
    neutralise: str
    tier: str
    scores: Floats = field(repr=False)
    raw: Floats | None = field(default=None, repr=False)
    params: Mapping[str, Any] = field(default_factory=dict)
    condition: str | None = None


def sweep(
    database: Database,
    ground: Ground,
    scored: Iterable[Scored],
    horizons: Sequence[int],
    progress: Progress = iter,
) -> list[Judgement]:
    """Judge each factor at each horizon, then append all rows in one statement.

    scored : taken one by one, so that a generator keeps few in memory
    """
    horizons = tuple(sorted(set(horizons)))
    trials = list(_in_threads(lambda one: trial(one, ground, horizons), progress(scored)))
    trials = with_family(trials)
    run = Run(
        MODULE, VERSION, code_hash(),
        {
            "universe": ground.universe, "rebalance": ground.rebalance, "horizons": list(horizons),
            "sources": list(ground.sources), "trials": len(trials), "calendar": settings().calendar,
            "start": ground.choice.start, "end": ground.choice.end, "inputs": list(ground.inputs),
            "libraries": libraries(),
        },
        ground.load_id, ground.fingerprint,
    )  # fmt: skip
    kind = "judgement" if ground.window is None else "description"
    return record(database, trials, Circumstances(kind, run, ground.as_of, ground.labels.gap))


def trial(scored: Scored, ground: Ground, horizons: Sequence[int]) -> Trial:
    """Judge one factor, and sketch it."""
    labels = ground.labels
    declarations = tuple(
        Declaration(
            scored.signal, scored.factor, scored.version, scored.code_hash, scored.params_hash, dict(scored.params),
            scored.neutralise, horizon, ground.universe, ground.rebalance, ENTRY_LAG, scored.condition,
        )
        for horizon in horizons
    )  # fmt: skip
    members = np.where(labels.members, scored.scores, np.nan)
    judged = judge(scored.scores, labels, horizons, raw=scored.raw, window=ground.window)
    return Trial(
        declarations, tuple(judged), scored.tier, sketch(members, labels.dates, labels.companies),
        values_hash(members, labels.dates, labels.companies),
    )  # fmt: skip


def _in_threads(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Map in order, a few items ahead: the kernels release the interpreter."""
    threads = settings().threads
    with ThreadPoolExecutor(threads) as pool:
        waiting = []
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.pop(0).result()
        for done in waiting:
            yield done.result()
