"""What came after each rebalance date: the only arrays of a judgement that look ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nexus.maths import calendar, returns
from nexus.maths.ordered import Ordered
from nexus.maths.returns import Forward
from nexus.maths.types import Bools, Dates, Floats, Ints

ENTRY_LAG = 1
YEARS = 5
"""Length of a sub-period."""


@dataclass(frozen=True)
class Labels:
    """Forward returns of one universe on its rebalance dates.

    dates : (n_dates,) datetime64[D], ascending
    companies : (n_companies,)
    members : (n_dates, n_companies), in the universe at t by what was known at t
    coverage : (n_dates,), share of the members that have a bar at t; NaN where nobody knows how many there were
    one_period : from the entry after one date to the entry after the next
    forward : horizon in sessions -> its windows
    overlaps : horizon -> on how many dates a window is open
    spilling : horizon -> dates whose window goes on beyond the entry `overlap` dates later (short months)
    gap : median sessions between dates
    regimes : name -> (n_dates,), 1 inside, 0 outside, NaN unknown; by what was known at t
    """

    dates: Dates
    companies: Ints
    members: Bools
    coverage: Floats
    one_period: Forward
    forward: Mapping[int, Forward]
    overlaps: Mapping[int, int]
    spilling: Mapping[int, int]
    gap: float = calendar.MONTH
    regimes: Mapping[str, Floats] = field(default_factory=dict)

    @cached_property
    def one_period_order(self) -> Ordered:
        """The one-period returns, sorted once for every factor; of everybody, since a book may hold who has left."""
        return Ordered.of(self.one_period.returns)

    @cached_property
    def forward_order(self) -> Mapping[int, Ordered]:
        """Horizon -> its returns of members, sorted."""
        return {
            horizon: Ordered.of(np.where(self.members, forward.returns, np.nan))
            for horizon, forward in self.forward.items()
        }

    @cached_property
    def entered(self) -> Bools:
        """Members with a bar at the entry, (n_dates, n_companies): any window that is over tells."""
        entered: Bools = np.isfinite(self.one_period.returns)
        for forward in self.forward.values():
            entered = entered | np.isfinite(forward.returns)
        return entered & self.members

    @cached_property
    def one_period_ranked(self) -> tuple[Floats, Floats, Floats]:
        """Centred ranks of the one-period returns and their squares, 0 where there is none; 1 where there is one."""
        ranked = np.nan_to_num(self.one_period_order.centred_ranks())
        return ranked, ranked**2, np.isfinite(self.one_period.returns).astype(np.float64)

    @cached_property
    def one_period_filled(self) -> Floats:
        """One-period returns, 0 where there is none."""
        return np.nan_to_num(self.one_period.returns)

    @cached_property
    def forward_filled(self) -> Mapping[int, Floats]:
        """Horizon -> its returns, 0 where there is none."""
        return {horizon: np.nan_to_num(forward.returns) for horizon, forward in self.forward.items()}

    @cached_property
    def stretch(self) -> Ints:
        """Number of the YEARS years that each date lies in, by the calendar; (n_dates,)."""
        years = self.dates.astype("datetime64[Y]").astype(np.int64) + 1970
        return np.asarray(years // YEARS)

    @cached_property
    def unknown_delistings(self) -> Mapping[int, Bools]:
        """Horizon -> (n_dates,), whether an unknown delisting return decides a window of that date."""
        return {
            horizon: ((forward.returns != forward.pessimistic) & np.isfinite(forward.returns)).any(axis=1)
            for horizon, forward in self.forward.items()
        }


def labels(
    wealth: Floats,
    sessions: Dates,
    rows: Ints,
    companies: Ints,
    members: Bools,
    horizons: Sequence[int],
    *,
    delisting: Floats | None = None,
    known_universe: bool = True,
    regimes: Mapping[str, Floats] | None = None,
) -> Labels:
    """Labels from the value of a holding in each company.

    wealth : (n_sessions, n_companies), as of `maths.returns.wealth`; its last row is the market's last session
    sessions : (n_sessions,)
    rows : (n_dates,), the rebalance dates' rows, at least 2
    members : (n_dates, n_companies)
    delisting : (n_companies,), return after the last price, NaN unknown
    known_universe : False where the members are simply those that have a price, so that coverage means nothing
    """
    gap = float(np.median(np.diff(rows)))
    overlaps = {horizon: calendar.overlap(horizon, gap) for horizon in horizons}
    in_universe = members.sum(axis=1)
    priced = (members & np.isfinite(wealth[rows])).sum(axis=1)
    coverage = np.full(len(rows), np.nan)
    if known_universe:
        np.divide(priced, in_universe, out=coverage, where=in_universe > 0)
    return Labels(
        dates=sessions[rows],
        companies=companies,
        members=members,
        coverage=coverage,
        one_period=returns.one_period_return(wealth, rows, delisting, members, ENTRY_LAG),
        forward={h: returns.forward_return(wealth, rows, h, delisting, members, ENTRY_LAG) for h in horizons},
        overlaps=overlaps,
        spilling={h: int((rows[:-overlap] + h > rows[overlap:]).sum()) for h, overlap in overlaps.items()},
        gap=gap,
        regimes=regimes or {},
    )
