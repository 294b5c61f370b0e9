"""What was known at the close of one session, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.db.actions import DIVIDEND, SPLIT, Actions
from nexus.db.bars import Floats
from nexus.db.data import Data
from nexus.db.graph_view import GraphView, frozen
from nexus.db.inputs import PRICE_FIELDS, Inputs
from nexus.db.request import Days, Ints
from nexus.db.totals import on_one_basis, total_returns
from nexus.errors import InputError
from nexus.settings import settings

Memo = dict[str, NDArray[Any]]
_NO_RANK = np.iinfo(np.int64).max


class View(GraphView):
    """Facts known at the close of `day`; every array ends there, is a copy of its own and read-only.

    `sessions` (n,) end at `day`; `companies` (m,) are ids. Only the declared inputs can be read.
    """

    def __init__(self, data: Data, row: int, inputs: Inputs, memo: Memo) -> None:
        super().__init__(data, row, inputs)
        self._memo = memo
        self.sessions: Days = frozen(data.market.days[: row + 1].copy())

    def prices(self, field: str, window: int | None = None) -> Floats:
        """open, high, low, close or volume (window, m), on one split basis: the last row is `day`, NaN no bar.

        The basis is that of `day`, or of the source's file where that is later. Rows before the first session are NaN.
        """
        first, rows = self._bars(field, window)
        splits = self._actions.only(SPLIT)
        return self._padded(on_one_basis(rows, first, splits, volume=field == "volume"), window)

    def raw(self, field: str, window: int | None = None) -> Floats:
        """The same as stored by the source."""
        return self._padded(self._bars(field, window)[1], window)

    def returns(self, window: int | None = None) -> Floats:
        """Total simple return per session (window, m), since the company's bar before; NaN without a bar."""
        first, close = self._bars("close", window)
        before_row, before = self._data.prices.previous_close(first, self._row, self._instant)
        paid = self._actions.only(DIVIDEND, SPLIT)
        made = total_returns(close, first, before, before_row, paid.row, paid.column, paid.kind == SPLIT, paid.value)
        return self._padded(made, window)

    def dollar_volume(self, window: int | None = None) -> Floats:
        """Close times volume (window, m), in the currency of the prices; a split does not change it."""
        return frozen(self.raw("close", window) * self.raw("volume", window))

    def fundamental(self, field: str, max_age_days: int | None = None) -> Floats:
        """Newest known value (m,) of the newest known period; NaN none, or its end is more than `max_age_days` ago."""
        value, end = self._quarters(field, 1)
        if max_age_days is not None:
            value[0][self.day - end[0] > np.timedelta64(max_age_days, "D")] = np.nan
        return frozen(value[0].copy())

    def quarters(self, field: str, n: int) -> Floats:
        """Values (n, m) of the n newest known periods, newest first; NaN none. A flow is that of one quarter."""
        return frozen(self._quarters(field, n)[0])

    def period_ends(self, field: str, n: int) -> Days:
        """Ends (n, m) of the periods of `quarters`; NaT none."""
        return frozen(self._quarters(field, n)[1])

    def benchmark(self, series: str, window: int | None = None) -> Floats:
        """Values (window,) of a series by session, NaN none; per session the preferred source that had one."""
        self._inputs.require("benchmarks", series)
        first = self._first(window)
        result = np.full(self._row + 1 - first, np.nan)
        known = self._data.facts["benchmarks", series].known(self._instant)
        row = known["row"]
        inside = (row >= first) & (row <= self._row)
        result[row[inside] - first] = known["value"][inside]
        return self._padded(result, window)

    def market(self, window: int | None = None) -> Floats:
        """The series of the setting `market`, as `benchmark` gives it; its input is "benchmarks.market"."""
        return self.benchmark(settings().market, window)

    def members(self, universe: str) -> NDArray[np.bool_]:
        """Who belongs to the universe on `day` (m,), by the preferred source that knew the universe."""
        self._inputs.require("universe_members", universe)
        facts = self._data.facts["universe_members", universe]
        known, holding = facts.known(self._instant), facts.holding(self._instant, self.day)
        result = np.zeros(len(self.companies), dtype=bool)
        result[holding["column"][holding["source"] == known["source"].min(initial=_NO_RANK)]] = True
        return frozen(result)

    def sector(self, scheme: str) -> Ints:
        """Code of each company's sector (m,): its place in `sector_names`; -1 unknown."""
        return self._sectors(scheme)[1]

    def sector_names(self, scheme: str) -> tuple[str, ...]:
        """The codes that companies have on `day`, in the order that `sector` numbers them."""
        return tuple(self._sectors(scheme)[0].tolist())

    def tickers(self) -> NDArray[np.str_]:
        """Ticker of each company on `day` (m,); "" unknown."""
        self._inputs.require("symbols", "ticker")
        return self._texts("symbols", "ticker")

    def events(self, event_type: str) -> NDArray[np.void]:
        """Events known at `day`, by company and date: fields company_index, event_date (may lie ahead), known_at."""
        self._inputs.require("events", event_type)
        known = self._data.facts["events", event_type].known(self._instant)
        best = np.full(len(self.companies), _NO_RANK)
        np.minimum.at(best, known["column"], known["source"])
        kept = known["source"] == best[known["column"]]
        kinds = [("company_index", "i8"), ("event_date", "M8[D]"), ("known_at", "M8[us]")]
        result = np.empty(np.count_nonzero(kept), dtype=kinds)
        result["company_index"], result["event_date"] = known["column"][kept], known["event_date"][kept]
        result["known_at"] = known["known_at"][kept].view("M8[us]")
        return frozen(result)

    def memo(self, key: str, compute: Callable[[View], NDArray[Any]]) -> NDArray[Any]:
        """`compute(self)`, once per day for all factors that name the same key."""
        if key not in self._memo:
            self._memo[key] = frozen(np.array(compute(self)))
        return self._memo[key]

    def _first(self, window: int | None) -> int:
        if window is not None and window < 1:
            raise InputError(f"window {window}: at least one session, the day itself")
        return 0 if window is None else max(0, self._row + 1 - window)

    def _bars(self, field: str, window: int | None) -> tuple[int, Floats]:
        if field not in PRICE_FIELDS:
            raise InputError(f'price field "{field}": there are {", ".join(PRICE_FIELDS)}')
        self._inputs.require("prices", field)
        first = self._first(window)
        return first, self._data.prices.window(field, first, self._row, self._instant)

    @cached_property
    def _actions(self) -> Actions:
        return self._data.actions_at(self._instant, self._row)

    def _quarters(self, field: str, n: int) -> tuple[Floats, Days]:
        self._inputs.require("fundamentals", field)
        return self._data.vintages[field].newest(self._instant, n)

    def _sectors(self, scheme: str) -> tuple[NDArray[np.str_], Ints]:
        self._inputs.require("classifications", scheme)
        texts = self._texts("classifications", scheme)
        names = np.unique(texts[texts != ""])
        return names, frozen(np.where(texts == "", -1, np.searchsorted(names, texts)))

    def _texts(self, table: str, name: str) -> NDArray[np.str_]:
        holding = self._data.facts[table, name].holding(self._instant, self.day)
        result = np.full(len(self.companies), "", dtype=holding["code"].dtype)
        result[holding["column"]] = holding["code"]
        return frozen(result)

    def _padded(self, rows: Floats, window: int | None) -> Floats:
        missing = 0 if window is None else window - len(rows)
        if missing > 0:
            rows = np.concatenate([np.full((missing, *rows.shape[1:]), np.nan), rows])
        elif rows.base is not None or not rows.flags.writeable:
            rows = rows.copy()  # a slice would lead through `.base` to the sessions ahead
        return frozen(rows)
