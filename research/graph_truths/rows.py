"""The rows that scores can tell: neighbour momentum, its falsifiers, and changes of a graph that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from nexus.ingest.simulate.economy import Economy, economy
from nexus.ingest.simulate.truths import truths_of
from nexus.maths.types import Floats
from nexus.signals.decide import LEVEL
from nexus.signals.labels import Labels
from research.graph_truths.changes import centrality_change, drift
from research.graph_truths.momentum import Along, neighbour_momentum
from research.truths.arrays import conclude, labels_of
from research.truths.rows import Figures, Outcome, Row, share

PASSES, NOTHING = "pass in over 99 % of seeds, with a mean IC of .05", "pass at the nominal rate only"
LITTLE = "pass at the nominal rate only, with a mean IC under .01"
RATE = 3 * LEVEL / 400
"""Of noise that passes at any of three horizons, at most."""


@dataclass(frozen=True)
class Case:
    """A market, and the labels of all who are listed on it."""

    world: Economy
    labels: Labels

    @classmethod
    def of(cls, seed: int) -> Case:
        """Draw it."""
        world = economy(seed)
        return cls(world, labels_of(truths_of(world)))


def judged(scores: Callable[[Economy], Floats], case: Case) -> Figures:
    """What is concluded of scores."""
    found = conclude(scores(case.world), case.labels)
    first = found.judged[0]
    return {
        "passes": found.passed,
        "p": np.nan if first.gate_p is None else first.gate_p,
        "ic": np.nan if first.ic_mean is None else first.ic_mean,
        "sd": np.nan if first.ic_sd is None else first.ic_sd,
        "names": np.nan if first.names_mean is None else first.names_mean,
    }


def _told(found: pd.DataFrame) -> str:
    return (
        f"mean IC {found['ic'].mean():+.4f}, sd {found['sd'].mean():.3f}, {found['names'].mean():.0f} names; "
        f"passes in {share(found['passes'])}"
    )


def _judged(found: pd.DataFrame) -> bool:
    """Whether every market has figures: what was not judged does not pass either."""
    return bool(np.isfinite(found[["p", "ic"]]).all(axis=None))


def _something(found: pd.DataFrame) -> Outcome:
    near = abs(found["ic"].mean() - 0.05) < 0.01
    return Outcome(_told(found), share(found["passes"]).at_least(0.99) and near)


def _nothing(found: pd.DataFrame) -> Outcome:
    significant = share(found["p"] <= LEVEL)
    holds = _judged(found) and share(found["passes"]).at_most(RATE) and significant.is_about(LEVEL)
    return Outcome(f"{_told(found)}, p <= {LEVEL} in {significant}", holds)


def _little(found: pd.DataFrame) -> Outcome:
    """Of edges that are not known yet: not quite zero.

    Whoever will be a customer's supplier is not yet among those that its news reaches, and they are who the others are.
    """
    holds = _judged(found) and share(found["passes"]).at_most(RATE) and abs(found["ic"].mean()) < 0.01
    return Outcome(_told(found), holds)


def _along(along: Along) -> Callable[..., Figures]:
    return partial(judged, partial(neighbour_momentum, along=along))


ROWS: Mapping[str, Row] = {
    "neighbours": Row(PASSES, _along("known"), _something),
    "rewired": Row(NOTHING, _along("rewired"), _nothing),
    "reversed": Row(NOTHING, _along("reversed"), _nothing),
    "unknown": Row(LITTLE, _along("unknown"), _little),
    "drift": Row(NOTHING, partial(judged, drift), _nothing),
    "centrality": Row(NOTHING, partial(judged, centrality_change), _nothing),
}


def measure(rows: Sequence[str], seed: int) -> dict[str, Figures]:
    """Figures of rows on the market of a seed."""
    case = Case.of(seed)
    return {row: ROWS[row].measure(case) for row in rows}
