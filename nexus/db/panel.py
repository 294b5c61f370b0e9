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
from nexus.db.data import Data, place
from nexus.db.engine import Database
from nexus.db.inputs import Inputs, check_inputs
from nexus.db.pieces import Reading, read_pieces, terms
from nexus.db.request import FAR, Days, Ints, Request, Source, read_loads, read_market, read_sources
from nexus.db.snapshot import snapshot
from nexus.db.tiers import sources_used, tier
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
        row = self.row(day)
        memo = self._memos.setdefault(row, {})
        if len(self._memos) > _MEMOS:
            self._memos.popitem(last=False)
        return View(self._data, row, self.inputs, memo)

    def row(self, day: Any) -> int:
        """Place of a session in the calendar; InputError where it is none."""
        wanted = np.datetime64(day, "D")
        row = int(self._data.market.rows_of(np.array([wanted]))[0])
        if row < 0:
            raise InputError(
                f"{wanted} is no session of the panel, {self.sessions[0]} to {self.sessions[-1]}; take a day of it"
            )
        return row


class Panel:
    """Facts of sessions x companies, read once; see `Panel.open`."""

    def __init__(self, reading: Reading) -> None:
        request, pieces = reading.terms.request, reading.finish()
        self.inputs = reading.inputs
        self.load_id: int = request.load_id
        self.as_of: datetime = request.as_of
        self.fingerprint: str = reading.fingerprint
        self._data = place(pieces, request, reading.inputs, reading.made)
        self._used = sources_used(pieces, reading.inputs, self._data)
        self._made_tiers = reading.made.tiers
        self._observations = Observations(reading.inputs, self._data)

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
        in_sample: bool = True,
    ) -> Panel:
        """Read the inputs of the sessions from `start` to `end`.

        companies : ids; default every company with a bar in the window or a spell in a declared universe
        sources : in order of preference, no others are read; default all, by `sources.preference`, then name
        load_id : rows of later loads are not seen; default the highest now
        as_of : rows known later are not seen, sessions that closed later are left out; naive is UTC, default now
        in_sample : False: of a learned module's output no row is read that its weights were fitted to
        """
        wanted = check_inputs(inputs)
        if as_of is not None and as_of.tzinfo is None:
            as_of = as_of.replace(tzinfo=UTC)
        with snapshot(database, load_id) as moment:
            request = Request(
                load_id=moment.load_id,
                replayed=moment.load_id < moment.highest,
                as_of=as_of or moment.now,
                until=as_of or FAR,
                sources=read_sources(moment, sources),
                companies=None if companies is None else tuple(sorted({int(company) for company in companies})),
                market=read_market(moment, calendar, start, end, as_of or moment.now),
                loads=read_loads(moment),
                in_sample=in_sample,
            )
            reading = read_pieces(moment, terms(moment, request), wanted)
        return cls(reading)

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
        used: set[Source] = set().union(*self._used.values())
        return tuple(source.name for source in sorted(used, key=lambda source: source.rank))

    @property
    def missing(self) -> tuple[str, ...]:
        """Declared inputs of which the database has no row: a misspelt field, or data not ingested."""
        return tuple(name for name in self.inputs.names if not (self._used.get(name) or self._made_tiers.get(name)))

    @property
    def tier(self) -> str:
        """C where a source of the inputs is backdated, B where one is assumed, else A; graphs and outputs as theirs."""
        return tier(self._used, self._made_tiers, self.inputs)

    def tier_of(self, inputs: Sequence[str]) -> str:
        """The tier of some of the inputs."""
        return tier(self._used, self._made_tiers, self._among(inputs))

    def at(self, day: Any) -> View:
        """What was known at the close of session `day`; raises on a day that is no session of the panel."""
        return self._observations.at(day)

    def blind(self, inputs: Sequence[str] | None = None) -> Observations:
        """The same days without the door to labels; with `inputs`, only those can be read."""
        if inputs is None:
            return self._observations
        return Observations(self._among(inputs), self._data, self._observations._memos)

    def _among(self, inputs: Sequence[str]) -> Inputs:
        wanted = check_inputs(inputs)
        for name in wanted.names:
            self.inputs.require(*name.split(".", 1))
        return wanted

    @cached_property
    def ahead(self) -> Ahead:
        """What happened later: labels, never scores."""
        self.inputs.require("prices", "close")
        return Ahead(self._data)

    def ahead_as_of(self, day: Any) -> Ahead:
        """The same as it could be told at the close of session `day`, where it ends: to judge again as one would then.

        Raises
        ------
        InputError
            When `day` is no session of the panel.
        """
        self.inputs.require("prices", "close")
        return Ahead(self._data, self._observations.row(day))


__all__ = ["Ahead", "Observations", "Panel", "View", "check_inputs"]
