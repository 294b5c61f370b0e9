"""The newest known value of sparse facts, per day and company: what a filing reader wants without a panel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from nexus.db.bars import Floats
from nexus.db.engine import Database
from nexus.db.inputs import check_inputs
from nexus.db.pieces import read_pieces, terms
from nexus.db.request import FAR, Days, Request, read_loads, read_market, read_sources
from nexus.db.snapshot import snapshot
from nexus.db.vintages import place_vintages
from nexus.errors import InputError


def asof(
    database: Database,
    fields: Sequence[str],
    companies: Sequence[int],
    days: Sequence[date] | Days,
    *,
    sources: Sequence[str] | None = None,
    load_id: int | None = None,
    calendar: str = "XNYS",
) -> Floats:
    """Value of the newest period of each field that was known at the close of each day.

    days : ascending sessions of the calendar
    sources, load_id : as in `Panel.open`
    Returns (n_days, n_companies, n_fields), in the order asked; NaN where nothing was known.

    Raises
    ------
    InputError
        For a day that is no closed session of the calendar, or days that do not ascend.
    """
    wanted = check_inputs(f"fundamentals.{field}" for field in fields)
    asked = _ascending(days)
    with snapshot(database, load_id) as moment:
        market = read_market(moment, calendar, asked[0].item(), asked[-1].item(), moment.now)
        ids = tuple(sorted({int(company) for company in companies}))
        request = Request(
            load_id=moment.load_id,
            replayed=moment.load_id < moment.highest,
            as_of=moment.now,
            until=FAR,
            sources=read_sources(moment, sources),
            companies=ids,
            market=market,
            loads=read_loads(moment),
        )
        reading = read_pieces(moment, terms(moment, request), wanted)
    rows = market.rows_of(asked)
    if (rows < 0).any():
        raise InputError(f"{asked[rows < 0][0]} is no closed session of {calendar}; take days of its sessions")
    arrays, order = reading.finish()["fundamentals"], wanted.of("fundamentals")
    axis = np.array(ids, dtype=np.int64)
    columns = np.searchsorted(axis, np.asarray(companies))
    result = np.empty((len(rows), len(columns), len(fields)))
    for place, field in enumerate(fields):
        vintages = place_vintages(arrays, order.index(field), axis)
        result[:, :, place] = vintages.over_time(market.closes[rows])[:, columns]
    return result


def _ascending(days: Any) -> Days:
    asked: Days = np.asarray(days, dtype="datetime64[D]")
    if not len(asked) or (np.diff(asked) <= np.timedelta64(0)).any():
        raise InputError("asof: days must ascend, and there must be one; pass them sorted, each once")
    return asked
