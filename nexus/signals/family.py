"""What is reported beside the gate for a sweep: Holm, BHY, Romano-Wolf, the effective number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nexus.maths import hlz
from nexus.maths.types import Floats
from nexus.signals.judge import Judged
from nexus.signals.trial import Trial

SEED = 20_261_120
DRAWS = 999
LEAST = 24
"""Common dates below which a family has no p-value."""


def with_family(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with a note `sweep` in the details of each; a trial alone has none."""
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
    together = hlz.family_p(series, seed=SEED, draws=DRAWS) if series is not None and varied else None
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
    """Gate series on the dates that all have, (n_dates, n_series); None with too few."""
    dates = judged[0].gate_dates
    if all(len(one.gate_dates) == len(dates) and (one.gate_dates == dates).all() for one in judged):
        columns = [one.gate_ic for one in judged]
    else:
        for one in judged:
            dates = np.intersect1d(dates, one.gate_dates, assume_unique=True)
        columns = [one.gate_ic[np.isin(one.gate_dates, dates)] for one in judged]
    return np.column_stack(columns) if len(dates) >= LEAST else None
