"""Backtests: recorded whole, in one transaction, on evaluations that the gate lets through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Row, text

from nexus.db.copy import copy
from nexus.db.curve import CURVE, TRADES, Curve, Trades
from nexus.db.engine import Writing, driver
from nexus.db.refusals import refusals
from nexus.errors import InputError
from nexus.maths.stats import Moments


@dataclass(frozen=True)
class Backtest:
    """A run before it is recorded.

    spec : all that it takes to run it again, defaults spelled out
    code_hash : of the code that ran it; `fingerprint` of the data that it read, of loads up to `load_id`
    mode : as_approved, each signal only while it stood; or fixed
    reason : of an exploratory run; None: it is none, and the gate lets in only what stands
    selection_cut : the latest approval among its signals; up to it the figures are in-sample selection
    variants : specs tried for this run, its own included
    net : moments of its net returns per session
    figures : as they are printed; no NaN
    """

    name: str
    spec: Mapping[str, Any]
    spec_hash: str
    code_version: str
    code_hash: str
    load_id: int
    as_of: datetime
    fingerprint: str
    universe: str
    first_session: date
    last_session: date
    mode: str
    reason: str | None
    selection_cut: date | None
    variants: int
    net: Moments
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Traded:
    """An evaluation that a run trades on, as its spec calls the signal, and its share of the composite score."""

    evaluation_id: int
    signal: str
    factor: str
    version: str
    weight: float


@dataclass(frozen=True)
class Recorded:
    """A run as the database holds it, without its account."""

    backtest_id: int
    created_at: datetime
    backtest: Backtest
    signals: Sequence[Traded]

    @property
    def exploratory(self) -> bool:
        """Whether the gate was told to look away."""
        return self.backtest.reason is not None


def record(connection: Writing, backtest: Backtest, signals: Sequence[Traded], curve: Curve, trades: Trades) -> int:
    """Record a run and return its number; the ledger stays locked until the transaction ends.

    Raises
    ------
    RefusedError
        When a signal of a run that is not exploratory does not stand: which, its verdict, and what to do. When the
        signals are not those that the spec names.
    """
    if not signals:
        raise InputError(f"backtest {backtest.name}: it has no signals; name what it trades on")
    with refusals():
        number = int(connection.execute(_INSERT, _row(backtest)).scalar_one())
        connection.execute(_SIGNAL, [{"backtest_id": number, **vars(signal)} for signal in signals])
    copy(connection, "backtest_equity", _numbered(number, curve.table()))
    copy(connection, "backtest_trades", _numbered(number, trades.table(), "trade_no"))
    with refusals():  # now, not at the commit
        connection.execute(text("SET CONSTRAINTS require_signals IMMEDIATE"))
        connection.execute(text("SET CONSTRAINTS require_signals DEFERRED"))
    return number


def read(connection: Connection, backtest_id: int) -> Recorded:
    """One run.

    Raises
    ------
    InputError
        When there is none of that number.
    """
    row = connection.execute(text(f"{_RUNS} WHERE backtest_id = :number"), {"number": backtest_id}).one_or_none()
    if row is None:
        highest = connection.scalar(text("SELECT max(backtest_id) FROM backtests")) or "none"
        raise InputError(f"backtest {backtest_id}: unknown, the latest is {highest}; see `nexus backtest list`")
    return _recorded(row)


def listed(connection: Connection) -> list[Recorded]:
    """All runs, newest first."""
    return [_recorded(row) for row in connection.execute(text(f"{_RUNS} ORDER BY backtest_id DESC"))]


def curve(connection: Connection, backtest_id: int) -> Curve:
    """Its account."""
    return Curve.of(_rows(connection, "backtest_equity", CURVE, "session", backtest_id))


def trades(connection: Connection, backtest_id: int) -> Trades:
    """What it traded."""
    return Trades.of(_rows(connection, "backtest_trades", TRADES, "trade_no", backtest_id))


def variants(connection: Connection) -> int:
    """Specs that were ever tried, over all recorded runs: they count among the trials of a deflated Sharpe ratio."""
    return int(connection.scalar(text("SELECT coalesce(sum(variants), 0) FROM backtests")) or 0)


def _row(backtest: Backtest) -> dict[str, Any]:
    own = {name: value for name, value in vars(backtest).items() if name != "net"}
    moments = {f"net_{name}": value if np.isfinite(value) else None for name, value in backtest.net._asdict().items()}
    try:
        documents = {name: json.dumps(own[name], sort_keys=True, allow_nan=False) for name in ("spec", "figures")}
    except ValueError as error:
        raise InputError(f"backtest {backtest.name}: {error}; leave out or write null what is not a number") from error
    return own | moments | documents | {"exploratory": backtest.reason is not None}


def _numbered(backtest_id: int, rows: pa.Table, count: str | None = None) -> pa.Table:
    if count is not None:
        rows = rows.add_column(0, count, pa.array(np.arange(1, rows.num_rows + 1, dtype=np.int32)))
    return rows.add_column(0, "backtest_id", pa.array(np.full(rows.num_rows, backtest_id, np.int64)))


def _rows(connection: Connection, table: str, columns: Sequence[str], order: str, backtest_id: int) -> list[Any]:
    statement = f"SELECT {', '.join(columns)} FROM {table} WHERE backtest_id = %s ORDER BY {order}"
    return driver(connection).execute(statement.encode(), [backtest_id], binary=True).fetchall()


def _recorded(row: Row[Any]) -> Recorded:
    values = dict(row._mapping)
    net = [values[f"net_{name}"] for name in Moments._fields]
    given = {name: values[name] for name in _GIVEN} | {
        "net": Moments(net[0], *(float("nan") if value is None else value for value in net[1:]))
    }
    signals = [Traded(*signal) for signal in values["signals"]]
    return Recorded(values["backtest_id"], values["created_at"], Backtest(**given), signals)


_GIVEN = (
    "name", "spec", "spec_hash", "code_version", "code_hash", "load_id", "as_of", "fingerprint", "universe",
    "first_session", "last_session", "mode", "reason", "selection_cut", "variants", "figures",
)  # fmt: skip
_COLUMNS = (*_GIVEN, "exploratory", *(f"net_{name}" for name in Moments._fields))
_INSERT = text(
    f"INSERT INTO backtests ({', '.join(_COLUMNS)}) VALUES ("
    + ", ".join(f"CAST(:{name} AS jsonb)" if name in ("spec", "figures") else f":{name}" for name in _COLUMNS)
    + ") RETURNING backtest_id"
)
_SIGNAL = text(
    "INSERT INTO backtest_signals (backtest_id, evaluation_id, signal, factor, version, weight) "
    "VALUES (:backtest_id, :evaluation_id, :signal, :factor, :version, :weight)"
)
_RUNS = f"""
SELECT backtest_id, created_at, {", ".join(_COLUMNS)},
       (SELECT jsonb_agg(jsonb_build_array(s.evaluation_id, s.signal, s.factor, s.version, s.weight)
                         ORDER BY s.signal, s.evaluation_id)
        FROM backtest_signals s WHERE s.backtest_id = b.backtest_id) AS signals
FROM backtests b"""
