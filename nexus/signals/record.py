"""One write transaction that counts trials: lock, compare, declare, count the looks, append, read the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from nexus.db import ledger, runs, standing
from nexus.db.engine import Database, Writing
from nexus.db.ledger import Declaration, Hypothesis, LastLook, StoredSketch
from nexus.db.runs import Run
from nexus.signals.judge import Judged, wrong_since
from nexus.signals.kinship import Kinship, Relative, near, twin
from nexus.signals.power import TARGETS, power
from nexus.signals.trial import Evaluation, Judgement, NearDuplicate, Trial

KINDS = ("judgement", "description")
MONTH = 21.0


@dataclass(frozen=True)
class Circumstances:
    """What all trials of a sweep share.

    kind : judgement, or description where somebody chose the window: recorded, never a look
    gap : median sessions between rebalance dates
    """

    kind: str
    run: Run
    as_of: datetime
    gap: float = MONTH


@dataclass(frozen=True)
class Entry:
    """One row on its way into the ledger."""

    trial: Trial
    judged: Judged
    hypothesis: Hypothesis
    same_as: str | None
    near: tuple[NearDuplicate, ...]


def record(database: Database, trials: Sequence[Trial], circumstances: Circumstances) -> list[Judgement]:
    """Append the trials of one universe in one statement, and say what the ledger now concludes of each."""
    if not trials:
        return []
    with database.read() as reading:
        kinship = Kinship.of(trials, reading)
    with database.write() as connection:
        ledger.lock(connection)
        kinship.catch_up(connection)
        ledger.store_sketches(connection, _stored(trials))
        entries = _declare(connection, trials, kinship)
        last = ledger.last_looks(connection, {entry.hypothesis.root_no for entry in entries})
        new_looks = count_looks(entries, last) if circumstances.kind == "judgement" else 0
        m = ledger.burden(ledger.looks(connection) + new_looks)
        run_id = runs.record_run(connection, circumstances.run, {"evaluations": len(entries), "looks": new_looks})
        ids = [uuid4() for _ in trials]
        rows = _rows(entries, dict(zip(map(id, trials), ids, strict=True)), circumstances, last, m, run_id)
        appended = ledger.append(connection, rows)
        declarations = {entry.hypothesis.declaration_no for entry in entries}
        verdicts = {v.declaration_no: v for v in standing.verdicts(connection, declarations)}
    evaluations = [
        Evaluation(
            done.evaluation_id, done.hypothesis_no, done.look_no, done.approved, entry.judged, row["detectable_ic"],
            tuple(row[_months(target)] for target in TARGETS), entry.same_as, entry.near,
        )
        for entry, row, done in zip(entries, rows, appended, strict=True)
    ]  # fmt: skip
    return _judgements(trials, ids, entries, evaluations, m, verdicts)


def count_looks(entries: Sequence[Entry], last: Mapping[int, LastLook]) -> int:
    """How many of the rows, appended in this order, will be looks: the trigger numbers them by the same rule."""
    latest = {root: look.last_gate_date for root, look in last.items()}
    looks = 0
    for entry in entries:
        root, dates = entry.hypothesis.root_no, entry.judged.gate_dates
        before = latest.get(root)
        if root not in latest or before is None or (dates > before).sum() >= ledger.NEW_PERIODS:
            looks += 1
            latest[root] = dates[-1] if len(dates) else None
    return looks


def _declare(connection: Writing, trials: Sequence[Trial], kinship: Kinship) -> list[Entry]:
    """Find or declare each hypothesis; a new one that looks like an earlier one is that one."""
    known = {hypothesis.declaration.key: hypothesis for hypothesis in kinship.hypotheses}
    number = ledger.highest(connection)
    new: list[tuple[Declaration, int | None, int]] = []
    declared: dict[tuple[int, int], Hypothesis] = {}
    found: list[tuple[Trial, Judged, Hypothesis, Relative | None, list[Relative]]] = []
    for row, trial in enumerate(trials):
        for place, (declaration, judged) in enumerate(zip(trial.declarations, trial.judged, strict=True)):
            relatives = kinship.relatives(row, place, declared)
            same = twin(relatives, declaration.condition)
            hypothesis = known.get(declaration.key)
            if hypothesis is None:
                number += 1
                hypothesis = _predicted(number, declaration, same)
                new.append(
                    (declaration, same.hypothesis.hypothesis_no, same.match.sign) if same else (declaration, None, 1)
                )
                known[declaration.key] = hypothesis
            declared[row, place] = hypothesis
            found.append((trial, judged, hypothesis, same, relatives))
    numbered = {h.hypothesis_no: h for h in ledger.declare(connection, new)}
    return [
        Entry(
            trial, judged, numbered.get(hypothesis.hypothesis_no, hypothesis),
            _other_name(same, trial), near(relatives, hypothesis),
        )
        for trial, judged, hypothesis, same, relatives in found
    ]  # fmt: skip


def _predicted(number: int, declaration: Declaration, same: Relative | None) -> Hypothesis:
    """The hypothesis as the trigger will number it; its declaration's number is read back."""
    root = same.hypothesis.root_no if same else number
    sign = same.hypothesis.sign * same.match.sign if same else 1
    return Hypothesis(number, 0, root, sign, declaration)


def _other_name(same: Relative | None, trial: Trial) -> str | None:
    name = same.hypothesis.declaration.signal if same else trial.signal
    return None if name == trial.signal else name


def _rows(
    entries: Sequence[Entry],
    judgement_ids: Mapping[int, UUID],
    circumstances: Circumstances,
    last: Mapping[int, LastLook],
    m: int,
    run_id: UUID,
) -> list[dict[str, Any]]:
    sd = np.array([np.nan if e.judged.gate_sd is None else e.judged.gate_sd for e in entries])
    strength = power(sd, np.array([e.judged.gate_n for e in entries]), m)
    months = {_months(t): p * circumstances.gap / MONTH for t, p in zip(TARGETS, strength.periods, strict=True)}
    return [
        {
            **_figures(entry.judged),
            "judgement_id": judgement_ids[id(entry.trial)],
            "hypothesis_no": entry.hypothesis.hypothesis_no,
            "kind": circumstances.kind,
            "run_id": run_id,
            "load_id": circumstances.run.load_id,
            "as_of": circumstances.as_of,
            "m_at": m,
            "tier": entry.trial.tier,
            "wrong_since_approval": _wrong(entry, last.get(entry.hypothesis.root_no)),
            "detectable_ic": _plain(strength.detectable[row]),
            **{name: _plain(values[row]) for name, values in months.items()},
            "sketch_hash": entry.trial.sketch.hash,
            "values_hash": entry.trial.values_hash,
            "near_duplicates": [vars(duplicate) for duplicate in entry.near],
        }
        for row, entry in enumerate(entries)
    ]


def _figures(judged: Judged) -> dict[str, Any]:
    """Columns that the judge fills."""
    dates = judged.dates
    return {field.name: getattr(judged, field.name) for field in fields(judged)} | {
        "n": judged.n,
        "gate_n": judged.gate_n,
        "first_date": dates[0] if len(dates) else None,
        "last_date": dates[-1] if len(dates) else None,
    }


def _wrong(entry: Entry, last: LastLook | None) -> bool:
    if last is None or last.since is None:
        return False
    return wrong_since(
        entry.judged.gate_dates, entry.judged.gate_ic, last.since, last.side * entry.hypothesis.sign
    )  # fmt: skip


def _judgements(
    trials: Sequence[Trial],
    ids: Sequence[UUID],
    entries: Sequence[Entry],
    evaluations: Sequence[Evaluation],
    m: int,
    verdicts: Mapping[int, standing.Verdict],
) -> list[Judgement]:
    out, start = [], 0
    for trial, judgement_id in zip(trials, ids, strict=True):
        stop = start + len(trial.judged)
        declaration_no = entries[start].hypothesis.declaration_no
        verdict = verdicts.get(declaration_no)
        out.append(
            Judgement(
                trial.signal, declaration_no, judgement_id, trial.tier, m, tuple(evaluations[start:stop]), verdict
            )
        )
        start = stop
    return out


def _stored(trials: Sequence[Trial]) -> list[StoredSketch]:
    return [StoredSketch(t.sketch.hash, t.sketch.dates, t.sketch.companies, t.sketch.ranks) for t in trials]


def _months(target: float) -> str:
    return f"months_{round(100 * target):02d}"


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
