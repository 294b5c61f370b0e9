"""Which earlier hypothesis a trial is the same as, whatever it is called, and which ones it is nearly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nexus.db import ledger
from nexus.db.engine import Reading, Writing
from nexus.db.ledger import Hypothesis
from nexus.signals.sketch import Match, Sketch, matches
from nexus.signals.trial import NearDuplicate, Trial

NAMED = 5
"""Near-duplicates that are named, the nearest first."""


@dataclass
class Kinship:
    """Matches of each trial with stored sketches and with the trials before it.

    Most of the comparing is done before the ledger is locked; under the lock only what came in between is compared.
    """

    trials: Sequence[Trial]
    highest: int = 0
    hypotheses: list[Hypothesis] = field(default_factory=list)
    by_sketch: dict[bytes | None, list[Hypothesis]] = field(default_factory=lambda: defaultdict(list))
    stored: list[list[tuple[bytes, Match]]] = field(default_factory=list)
    sweep: list[list[Match]] = field(default_factory=list)

    @classmethod
    def of(cls, trials: Sequence[Trial], connection: Reading) -> Kinship:
        """Compare with each other and with all that the ledger has."""
        own = [trial.sketch for trial in trials]
        found = cls(trials, stored=[[] for _ in trials], sweep=matches(own, own, range(len(own))))
        found.catch_up(connection)
        return found

    def catch_up(self, connection: Reading | Writing) -> None:
        """Compare with hypotheses declared since the last time."""
        first = self.trials[0].declarations[0]
        horizons = {declaration.horizon for trial in self.trials for declaration in trial.declarations}
        new = ledger.hypotheses(connection, first.universe, horizons, after=self.highest)
        wanted = {h.sketch_hash for h in new if h.sketch_hash is not None} - self.by_sketch.keys()
        stored = list(ledger.sketches(connection, wanted)) if wanted else []
        sketches = [Sketch(s.dates, s.companies, s.ranks) for s in stored]
        for mine, fresh in zip(self.stored, matches([trial.sketch for trial in self.trials], sketches), strict=True):
            mine.extend((stored[match.earlier].hash, match) for match in fresh)
        self.hypotheses += new
        for hypothesis in new:
            self.by_sketch[hypothesis.sketch_hash].append(hypothesis)
        self.highest = max([self.highest, *(h.hypothesis_no for h in new)])

    def relatives(self, row: int, place: int, declared: dict[tuple[int, int], Hypothesis]) -> list[Relative]:
        """Hypotheses of the same horizon that much resemble a trial, the earliest first.

        place : of the horizon among the trial's
        declared : (trial, place) -> hypothesis of the trials before it
        """
        horizon = self.trials[row].declarations[place].horizon
        found = [Relative(declared[m.earlier, place], m) for m in self.sweep[row] if (m.earlier, place) in declared]
        for hash, match in self.stored[row]:
            found += [Relative(h, match) for h in self.by_sketch[hash] if h.declaration.horizon == horizon]
        return sorted(found, key=lambda relative: relative.hypothesis.hypothesis_no)


@dataclass(frozen=True)
class Relative:
    """An earlier hypothesis, and how alike it is."""

    hypothesis: Hypothesis
    match: Match


def twin(relatives: Iterable[Relative], condition: str | None) -> Relative | None:
    """The earliest that is the same hypothesis; under another condition it claims something else."""
    same = (r for r in relatives if r.match.same and r.hypothesis.declaration.condition == condition)
    return next(same, None)


def near(relatives: Iterable[Relative], own: Hypothesis) -> tuple[NearDuplicate, ...]:
    """The nearest of those that are other hypotheses, each by its nearest name."""
    others = sorted(
        (r for r in relatives if r.hypothesis.root_no != own.root_no), key=lambda r: -abs(r.match.rho)
    )  # fmt: skip
    nearest: dict[int, Relative] = {}
    for relative in others:
        nearest.setdefault(relative.hypothesis.root_no, relative)
    return tuple(
        NearDuplicate(r.hypothesis.hypothesis_no, r.hypothesis.declaration.signal, round(r.match.rho, 4))
        for r in list(nearest.values())[:NAMED]
    )
