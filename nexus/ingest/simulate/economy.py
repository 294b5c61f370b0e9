"""The return equation: market, sector, style, own and the end of a listing, added up in logarithms.

Logarithms, because a symmetric log return has its median at its centre: the rank IC of volatility is then 0, where
centred simple returns would give the volatile a lower median and so a spurious IC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from nexus.ingest.simulate import risk
from nexus.ingest.simulate.lives import Fate, Lives, lives
from nexus.ingest.simulate.neighbours import Label, neighbours, shocks
from nexus.ingest.simulate.places import Ties
from nexus.ingest.simulate.planted import planted_scores, risk_score
from nexus.ingest.simulate.styles import add_earned, style_returns, styles
from nexus.ingest.simulate.timeline import Timeline, timeline
from nexus.ingest.simulate.trailing import trailing
from nexus.ingest.simulate.units import unit_of_ic
from nexus.ingest.simulate.wiring import Wiring, supply
from nexus.maths.types import Bools, Floats

START = date(2004, 1, 2)
MERGER, FAILURE, DELISTING = 0.15, -0.45, -0.30
"""Return of a bought company on its last day; of a failing one in all; and the part of that after its last price."""
DYING = 21
"""Sessions over which a failing company falls before its delisting."""


@dataclass(frozen=True)
class Economy:
    """Everything that returns are made of.

    market, vix : (n_sessions,); log return, drift included; per cent a year
    stress : (n_months,) the state in which R pays, known at the month-end
    scores : each (n_months, n_companies), NaN where not listed at the month-end
    log_return : (n_sessions, n_companies), total, 0 where not listed
    delisting : (n_companies,) simple return after the last price; NaN for those who stay
    beta, volatility : (n_months, n_companies), as `trailing` measures them
    supply : who supplies (owner) whom (partner)
    """

    seed: int
    time: Timeline
    lives: Lives
    exposures: risk.Exposures
    market: Floats
    vix: Floats
    stress: Bools
    scores: dict[str, Floats]
    log_return: Floats
    delisting: Floats
    beta: Floats
    volatility: Floats
    supply: Ties


def economy(
    seed: int = 0,
    sessions: int = 5040,
    listed: int = 500,
    start: date = START,
    wiring: Wiring = "affinity",
    label: Label = "planted",
) -> Economy:
    """Draw an economy of so many sessions from `start` on, with so many companies listed at any time.

    wiring : how companies find customers
    label : "supply" and "degree" leave out the planted scores' premia, and make the graph's the only one, and strong
    """
    time, who = timeline(start, sessions), lives(seed, sessions, listed)
    what = risk.exposures(seed, len(who))
    market, vix = risk.market_path(seed, sessions)
    stress = risk.stress(vix, time.months)
    scores = planted_scores(seed, len(time.months), len(who))
    members, bars = who.listed(time.months), who.listed(np.arange(sessions))
    own = risk.own_returns(seed, bars, what.volatility)
    dealt = supply(seed, time, who, wiring)
    along = neighbours(dealt, own, members, time, listed, label)
    planted = styles(scores, members, who.stays(), stress) if label == "planted" else []
    returns = style_returns(seed, time, planted, what.nameless, listed)
    add_earned(returns, time, [along], shocks(seed, sessions), unit_of_ic(listed))
    returns += risk.sector_returns(seed, sessions)[:, what.sector]
    returns += (market - risk.DRIFT / risk.YEAR)[:, None] * what.beta + risk.DRIFT / risk.YEAR
    _end_listings(returns, who)
    returns *= bars
    returns += own
    beta, volatility = trailing(returns, market, who, time.months)
    scores["B"] = risk_score(seed, beta, volatility)
    scores = {name: np.where(members, score, np.nan) for name, score in scores.items()}
    left = np.select([who.fate == Fate.MERGES, who.fate == Fate.FAILS], [0.0, DELISTING], np.nan)
    return Economy(seed, time, who, what, market, vix, stress, scores, returns, left, beta, volatility, dealt)


def _end_listings(returns: Floats, who: Lives) -> None:
    """Add what the last days of a listing bring, in place."""
    for company in np.flatnonzero(who.fate == Fate.MERGES):
        returns[who.last[company], company] += np.log1p(MERGER)
    fall = np.log((1 + FAILURE) / (1 + DELISTING)) / DYING
    for company in np.flatnonzero(who.fate == Fate.FAILS):
        returns[who.last[company] + 1 - DYING : who.last[company] + 1, company] += fall
