"""Judge many score arrays on one ground and count them together: what every evaluation goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, TypeVar

import numpy as np

import nexus
from nexus.db.engine import Database
from nexus.db.ledger import Declaration
from nexus.db.runs import Run
from nexus.maths import hlz
from nexus.maths.types import Floats
from nexus.settings import settings
from nexus.signals.ground import Ground
from nexus.signals.judge import Judged, judge
from nexus.signals.labels import ENTRY_LAG
from nexus.signals.record import Circumstances, record
from nexus.signals.sketch import sketch, values_hash
from nexus.signals.trial import Judgement, Trial

MODULE = "signals.evaluate"
VERSION = "1"
SEED = 20_261_120
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


def with_family(trials: Sequence[Trial]) -> list[Trial]:
    """Add what is reported beside the gate for a sweep: Holm, BHY, Romano-Wolf, the effective number of trials."""
    if len(trials) < 2:
        return list(trials)
    notes: dict[tuple[int, int], dict[str, Any]] = {}
    for place in range(len(trials[0].judged)):
        for row, note in _family([trial.judged[place] for trial in trials]).items():
            notes[row, place] = note
    return [
        replace(
            trial,
            judged=tuple(
                replace(judged, details={**judged.details, "sweep": notes.get((row, place))})
                for place, judged in enumerate(trial.judged)
            ),
        )
        for row, trial in enumerate(trials)
    ]


def _family(judged: Sequence[Judged]) -> dict[int, dict[str, Any]]:
    """Notes on those of one horizon that have a p-value, by row."""
    rows = [row for row, one in enumerate(judged) if one.gate_p is not None]
    if len(rows) < 2:
        return {}
    p = np.array([judged[row].gate_p for row in rows], np.float64)
    holm, bhy = hlz.adjusted(p, "holm"), hlz.adjusted(p, "bhy")
    series = _common([judged[row] for row in rows])
    varied = series is not None and bool((np.ptp(series, axis=0) > 0).all())
    together = hlz.family_p(series, seed=SEED, draws=999) if series is not None and varied else None
    effective = hlz.effective_trials(series) if series is not None and varied else None
    return {
        row: {
            "trials": len(rows),
            "p_holm": float(holm[i]),
            "p_bhy": float(bhy[i]),
            "p_family": None if together is None else float(together[i]),
            "m_eff": effective,
        }
        for i, row in enumerate(rows)
    }


def _common(judged: Sequence[Judged]) -> Floats | None:
    """Gate series on the dates that all have, (n_dates, n_series); None with fewer than 24."""
    dates = judged[0].gate_dates
    if all(len(one.gate_dates) == len(dates) and (one.gate_dates == dates).all() for one in judged):
        columns = [one.gate_ic for one in judged]
    else:
        for one in judged:
            dates = np.intersect1d(dates, one.gate_dates, assume_unique=True)
        columns = [one.gate_ic[np.isin(one.gate_dates, dates)] for one in judged]
    return np.column_stack(columns) if len(dates) >= 24 else None


def code_hash() -> str:
    """Digest of the code that judges: the mathematics and this package's own files."""
    root = Path(nexus.__file__).parent
    digest = sha256()
    for path in sorted([*(root / "maths").glob("*.py"), *(root / "signals").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def libraries() -> dict[str, str]:
    """Versions of what the figures are computed with."""
    return {"python": python_version()} | {name: version(name) for name in ("numpy", "scipy", "numba")}


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
