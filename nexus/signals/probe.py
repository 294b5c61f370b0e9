"""Scores of factors in a process of its own: `python -m nexus.signals.probe REQUEST`, as the canary starts it.

A factor that opens a connection of its own gets the database of the environment here, which is the canary's.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.errors import NexusError
from nexus.maths.types import Floats, Ints
from nexus.signals.factor import Factor
from nexus.signals.scores import compute_scores
from nexus.signals.user import factors_in


@dataclass(frozen=True)
class Request:
    """What to compute and where to leave it; dates in ISO format.

    factors : (file, name, params) of each
    start, end : of the panel, which reaches beyond the days
    companies : None for all
    times : how often to compute each score, from new panels
    """

    factors: list[tuple[str, str, dict[str, Any]]]
    days: list[str]
    start: str
    end: str
    companies: list[int] | None
    calendar: str
    times: int
    answer: str

    def write(self, path: Path) -> None:
        """Leave the request for the process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """values : (times, n_factors, n_days, n_companies); companies : (n_companies,)."""

    values: Floats
    companies: Ints
    load_id: int

    @classmethod
    def read(cls, path: Path) -> Answer:
        """What the process left."""
        with np.load(path) as left:
            return cls(left["values"], left["companies"], int(left["load_id"]))


def answer(request: Request) -> Answer:
    """Compute what was asked for on the configured database."""
    factors = [replace(factors_in(Path(file))[name], params=params) for file, name, params in request.factors]
    found = []
    for _ in range(request.times):
        panel = _panel(request, factors)
        found.append([_scores(factor, panel, request.days) for factor in factors])
    return Answer(np.array(found), panel.companies, panel.load_id)


def _panel(request: Request, factors: list[Factor]) -> Panel:
    return Panel.open(
        Database.configured(),
        start=date.fromisoformat(request.start),
        end=date.fromisoformat(request.end),
        companies=request.companies,
        inputs=sorted({name for factor in factors for name in factor.inputs}),
        calendar=request.calendar,
    )


def _scores(factor: Factor, panel: Panel, days: list[str]) -> Floats:
    everyone = np.ones((len(days), len(panel.companies)), bool)
    return compute_scores(factor, panel, [date.fromisoformat(day) for day in days], everyone).values


def main(path: str) -> int:
    """Answer the request in the file `path`; an error goes to standard error as one line."""
    request = Request(**json.loads(Path(path).read_text(encoding="utf-8")))
    try:
        given = answer(request)
    except NexusError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    np.savez(request.answer, values=given.values, companies=given.companies, load_id=given.load_id)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
