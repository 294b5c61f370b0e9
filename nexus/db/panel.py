"""The dense reader: sessions x companies, every day exactly as it was known at its close."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from nexus.db.ahead import Ahead
from nexus.db.assemble import Read, assemble, read_all
from nexus.db.engine import Database
from nexus.db.inputs import Inputs, check_inputs
from nexus.db.market import Data
from nexus.db.snapshot import Days, Ints
from nexus.db.view import Memo, View
from nexus.errors import InputError

_MEMOS = 600  # days whose memo is kept: fifty years of month-ends


@dataclass(frozen=True)
class Observations:
    """The reader that factors and modules are handed: days as they were known, no labels."""

    inputs: Inputs
    _data: Data = field(repr=False)
    _memos: OrderedDict[int, Memo] = field(repr=False, default_factory=OrderedDict)

    @property
    def sessions(self) -> Days:
        """(n,) the calendar."""
        return self._data.market.days

    @property
    def companies(self) -> Ints:
        """(m,) ids, ascending."""
        return self._data.companies

    def at(self, day: Any) -> View:
        """What was known at the close of session `day`.

        Raises
        ------
        InputError
            When `day` is no session of the panel.
        """
        wanted = np.datetime64(day, "D")
        row = int(self._data.market.row_of_day(wanted))
        if row == len(self.sessions) or self.sessions[row] != wanted:
            raise InputError(
                f"{wanted} is no session of the panel ({self.sessions[0]} to {self.sessions[-1]}); take days of `sessions`"
            )
        memo = self._memos.setdefault(row, {})
        if len(self._memos) > _MEMOS:
            self._memos.popitem(last=False)
        return View(self._data, row, self.inputs, memo)


class Panel:
    """Facts of sessions x companies, read once; see `Panel.open`."""

    def __init__(self, read: Read) -> None:
        self._data = assemble(read)
        self._observations = Observations(read.inputs, self._data)
        self.inputs = read.inputs
        self.load_id: int = read.request.load_id
        self.as_of: datetime = read.as_of
        self.fingerprint: str = read.fingerprint
        self._used = read.sources_used(self._data)

    @classmethod
    def open(
        cls,
        database: Database,
        *,
        start: date,
        end: date,
        companies: Sequence[int] | None = None,
        inputs: Sequence[str],
        sources: Sequence[str] | None = None,
        load_id: int | None = None,
        as_of: datetime | None = None,
        calendar: str = "XNYS",
    ) -> Panel:
        """Read the inputs of the sessions from `start` to `end`.

        companies : ids; default every company with a bar in the window or a spell in a declared universe
        sources : in order of preference, no others are read; default by `sources.preference`, then name
        load_id : rows of later loads are not seen; default the highest now
        as_of : rows known later are not seen, sessions that closed later are not there; default the database's clock
        """
        if as_of is not None and as_of.tzinfo is None:
            as_of = as_of.replace(tzinfo=UTC)
        return cls(
            read_all(
                database,
                check_inputs(inputs),
                start=start,
                end=end,
                companies=companies,
                sources=sources,
                load_id=load_id,
                as_of=as_of,
                calendar=calendar,
            )
        )

    @property
    def sessions(self) -> Days:
        """(n,) datetime64[D]."""
        return self._data.market.days

    @property
    def companies(self) -> Ints:
        """(m,) ids, ascending."""
        return self._data.companies

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of which anything was used, the preferred first."""
        used = set().union(*self._used.values()) if self._used else set()
        return tuple(source.name for source in sorted(used, key=lambda source: source.rank))

    @property
    def tier(self) -> str:
        """A, B or C by how the sources used know when they knew."""
        return self.tier_of(self.inputs.names)

    def tier_of(self, inputs: Sequence[str]) -> str:
        """The tier of some of the inputs: C where one of their sources is backdated, B where one is assumed, else A."""
        bases = {source.known_at_basis for name in check_inputs(inputs).names for source in self._used.get(name, ())}
        return "C" if "backdated" in bases else "B" if "assumed" in bases else "A"

    def at(self, day: Any) -> View:
        """What was known at the close of session `day`; raises on a day that is no session of the panel."""
        return self._observations.at(day)

    def blind(self, inputs: Sequence[str] | None = None) -> Observations:
        """The same days without the door to labels; with `inputs`, only those can be read."""
        if inputs is None:
            return self._observations
        narrowed = check_inputs(inputs)
        for name in narrowed.names:
            self.inputs.require(*name.split(".", 1))
        return Observations(narrowed, self._data, self._observations._memos)

    @cached_property
    def ahead(self) -> Ahead:
        """What happened later: labels, never scores."""
        self.inputs.require("prices", "close")
        return Ahead(self._data, int(self.as_of.timestamp() * 1_000_000))


__all__ = ["Ahead", "Observations", "Panel", "View", "check_inputs"]
