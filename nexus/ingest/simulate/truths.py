"""What a judge needs of a simulated market, without its prices: many seeds can be judged in the time of one load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from nexus.ingest.simulate.economy import START, Economy, economy
from nexus.ingest.simulate.lives import Lives
from nexus.maths.types import Bools, Dates, Floats, Ints

HORIZONS = (21, 63, 126)
ENTRY_LAG = 1


@dataclass(frozen=True)
class Truths:
    """Planted scores and true returns at the month-ends.

    dates : (n_months,) datetime64[D]
    member, survivor, stress : (n_months, n_companies); (n_companies,), listed to the end; (n_months,), R's state
    scores : name -> (n_months, n_companies), NaN where not a member
    forward : horizon -> (n_months, n_companies), simple total return from the close after to h sessions later, with
        the delisting return; NaN where there is no entry price or the window is not over
    one_period : (n_months, n_companies), the same to the close after the next month-end
    beta, volatility : (n_months, n_companies), of the last 252 sessions; NaN where listed for fewer
    nameless : (n_companies, n_styles), loadings on styles that earn nothing
    """

    seed: int
    dates: Dates
    member: Bools
    survivor: Bools
    stress: Bools
    scores: dict[str, Floats]
    forward: dict[int, Floats]
    one_period: Floats
    beta: Floats
    volatility: Floats
    nameless: Floats


def truths(seed: int = 0, sessions: int = 5040, listed: int = 500, start: date = START) -> Truths:
    """Return the judge's arrays of the market that `simulate` draws from the same arguments."""
    return truths_of(economy(seed, sessions, listed, start))


def truths_of(world: Economy) -> Truths:
    """Return the judge's arrays of an economy."""
    months, value = world.time.months, _value(world)
    return Truths(
        seed=world.seed,
        dates=world.time.dates[months],
        member=world.lives.listed(months),
        survivor=world.lives.stays(),
        stress=world.stress,
        scores=world.scores,
        forward={h: _earned(value, world.lives, months, months + h) for h in HORIZONS},
        one_period=_earned(value, world.lives, months, np.append(months[1:], len(value))),
        beta=world.beta,
        volatility=world.volatility,
        nameless=world.exposures.nameless,
    )


def _value(world: Economy) -> Floats:
    """Return the log value of a holding in each company, cash once it has left, (n_sessions, n_companies)."""
    returns = world.log_return.copy()
    left = np.flatnonzero(~world.lives.stays())
    returns[world.lives.last[left] + 1, left] = np.log1p(world.delisting[left])
    return np.cumsum(returns, axis=0, out=returns)


def _earned(value: Floats, lives: Lives, start: Ints, end: Ints) -> Floats:
    """Return the simple return from the entry after each start to the entry after each end, (n_months, n_companies)."""
    over = end + ENTRY_LAG < len(value)
    entry, leave = (np.minimum(session + ENTRY_LAG, len(value) - 1) for session in (start, end))
    earned = np.expm1(value[leave] - value[entry])
    return np.where(over[:, None] & lives.listed(start) & lives.listed(entry), earned, np.nan)
