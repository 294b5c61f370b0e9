"""Which evaluation a signal trades on today, and why not where it may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from nexus.db.standing import Verdict, verdicts
from nexus.errors import InputError, RefusedError
from nexus.maths.types import Floats

LEAST_PERIODS = 24
"""Of a trial portfolio, for its Sharpe ratio to count."""


@dataclass(frozen=True)
class Tradable:
    """A signal of the registry and the evaluation that decides over it today.

    factor, version : of the evaluation; where the signal is the same as an earlier one, they may be that one's
    side : -1 where the signal is those scores upside down
    approved_at : when the first of the looks was made that have approved it without a break; None: it does not stand
    seen_to : the last day of returns that its latest look judged
    """

    name: str
    evaluation_id: int
    factor: str
    version: str
    side: int
    approved_at: datetime | None
    seen_to: date | None
    verdict: Verdict


def signals(connection: Connection, names: Sequence[str], *, exploratory: bool = False) -> list[Tradable]:
    """Signals by their names in the registry, in order; their verdicts are of today's M.

    exploratory : also those that do not stand

    Raises
    ------
    InputError
        When the registry does not know a name.
    RefusedError
        When a signal does not stand: all that do not, with verdict and reason.
    """
    registered = {row.name: row.declaration_no for row in connection.execute(_REGISTERED)}
    for name in names:
        if name not in registered:
            near = get_close_matches(name, registered, 1)
            hint = f"did you mean {near[0]}" if near else "run `nexus signals register` first"
            raise InputError(f"signal {name}: not in the registry; {hint}")
    found = {verdict.declaration_no: verdict for verdict in verdicts(connection, [registered[name] for name in names])}
    chosen = [found[registered[name]] for name in names]
    if not exploratory:
        _refuse([(name, verdict) for name, verdict in zip(names, chosen, strict=True) if verdict.status != "approved"])
    wanted = {name: [getattr(verdict, name) for verdict in chosen] for name in ("declaration_no", "evaluation_id")}
    looks = {row.declaration_no: row for row in connection.execute(_LOOKS, wanted)}
    return [
        _tradable(name, verdict, looks[verdict.declaration_no]) for name, verdict in zip(names, chosen, strict=True)
    ]


def lost(connection: Connection, backtest_id: int) -> dict[str, str]:
    """Signals of a run that may not be traded any more: name, and why the latest look at it does not stand today."""
    rows = connection.execute(text("SELECT signal, why FROM lost_signals(:number)"), {"number": backtest_id})
    return {row.signal: row.why for row in rows}


def trial_sharpes(connection: Connection) -> Floats:
    """Sharpe ratios per period of the gate of the trials' canonical portfolios, of the latest look at each, (n,)."""
    found: Floats = np.array(connection.scalars(_SHARPES, {"least": LEAST_PERIODS}).all(), np.float64)
    return found


def _refuse(fallen: Sequence[tuple[str, Verdict]]) -> None:
    if fallen:
        said = "; ".join(
            f"signal {name} is {v.status} (verdict {v.verdict}, {v.reason}, M = {v.m})" for name, v in fallen
        )
        raise RefusedError(
            f'{said}: only signals that stand may trade; leave it out, or look at it with --exploratory --because "..."'
        )


def _tradable(name: str, verdict: Verdict, look: Row[Any]) -> Tradable:
    approved_at = look.approved_at if verdict.status == "approved" else None
    return Tradable(
        name, verdict.evaluation_id, look.factor, look.version, look.side, approved_at, look.last_gate_date, verdict
    )


_REGISTERED = text("SELECT name, declaration_no FROM signal_registry")
# approved_at: of the first look in the unbroken run of approvals that ends with the evaluation
_LOOKS = text(
    """
    SELECT h.declaration_no, e.factor, e.version, e.last_gate_date, own.sign * h.sign AS side,
           (SELECT min(a.evaluated_at) FROM factor_evaluations a
            WHERE a.root_no = e.root_no AND a.approved AND a.look_no <= e.look_no AND NOT EXISTS (
                SELECT FROM factor_evaluations g WHERE g.root_no = e.root_no AND NOT g.approved
                AND g.look_no BETWEEN a.look_no AND e.look_no)) AS approved_at
    FROM unnest(CAST(:declaration_no AS integer[]), CAST(:evaluation_id AS bigint[]))
         wanted (declaration_no, evaluation_id)
    JOIN factor_evaluations e USING (evaluation_id)
    JOIN hypotheses own USING (hypothesis_no)
    JOIN hypotheses h ON h.declaration_no = wanted.declaration_no AND h.root_no = e.root_no
    """
)
_SHARPES = text(
    "SELECT portfolio_mean / portfolio_sd FROM (SELECT DISTINCT ON (root_no) portfolio_n, portfolio_mean, portfolio_sd "
    "FROM factor_evaluations WHERE look_no IS NOT NULL ORDER BY root_no, look_no DESC) latest "
    "WHERE portfolio_n >= :least AND portfolio_sd > 0"
)
