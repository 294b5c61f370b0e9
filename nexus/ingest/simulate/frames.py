"""The market as files: prices, actions, reference, universe and benchmarks in the columns of a user's own files.

A ticker is the one in force on its row's date; a spell ends where the next begins.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nexus.ingest.simulate.columns import DAY, days, instants, tickers
from nexus.ingest.simulate.market import Market
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Dates, Ints

UNIVERSE, SCHEME, INDEX, VIX = "SIM500", "SIM", "SIMX", "VIX"
INDEX_START = 1000.0
ANNOUNCED = (10, 40)
"""Days before the ex-date that a split or dividend becomes known."""


def prices(market: Market) -> pd.DataFrame:
    """Return ticker, date, open, high, low, close, volume: as traded, a row per bar, company by company."""
    company, session = np.nonzero(np.isfinite(market.bars.close.T))
    values = {name: getattr(market.bars, name)[session, company] for name in ("open", "high", "low", "close", "volume")}
    dates = days(market.economy.time.dates)[session]
    return pd.DataFrame({"ticker": tickers(market.names, company, session), "date": dates, **values})


def actions(market: Market) -> pd.DataFrame:
    """Return ticker, ex_date, kind, value, known_at.

    A split's value is new shares for one old, a dividend's cash a share, a delisting's the return after the last price;
    a delisting is dated the session after the last bar and known that morning, the others are announced.
    """
    random = stream(market.economy.seed, "announcements")
    world, split, dividend = market.economy, market.bars.split, market.bars.dividend
    frames = []
    for kind, values, none in (("split", split, 1.0), ("dividend", dividend, 0.0)):
        company, session = np.nonzero((np.isfinite(values) & (values != none)).T)
        ahead = random.integers(*ANNOUNCED, size=len(session)) * DAY
        frames.append(_actions(market, kind, company, session, values[session, company], ahead))
    left = np.flatnonzero(~world.lives.stays())
    frames.append(_actions(market, "delisting", left, world.lives.last[left] + 1, world.delisting[left], 0 * DAY))
    return pd.concat(frames, ignore_index=True)


def _actions(
    market: Market, kind: str, company: Ints, session: Ints, value: np.ndarray, ahead: np.ndarray | np.timedelta64
) -> pd.DataFrame:
    ex_date = market.economy.time.dates[session]
    return pd.DataFrame(
        {
            "ticker": market.names.at(company, session),
            "ex_date": days(ex_date),
            "kind": kind,
            "value": value,
            "known_at": instants(ex_date - ahead),
        }
    )


def reference(market: Market) -> pd.DataFrame:
    """Return ticker, cik, name, valid_from, valid_to, scheme, code: a row per ticker spell, then one per sector spell.

    A leaver's ticker holds until after its delisting, which needs it.
    """
    names, lives, dates = market.names, market.economy.lives, market.economy.time.dates
    company, everyone = names.company, np.arange(len(lives))
    last_spell = np.append(company[1:] != company[:-1], True)
    end = np.where(last_spell, lives.last[company] + 2, np.append(names.start[1:], 0))
    called = pd.DataFrame({"ticker": names.ticker, "cik": names.cik[company]})
    called = called.assign(name=[f"Simulated {i:04d} Inc" for i in company], **_spell(dates, names.start, end))
    sectors = pd.DataFrame({"ticker": names.at(everyone, lives.first), "cik": names.cik})
    sectors = sectors.assign(**_spell(dates, lives.first, lives.last + 2), scheme=SCHEME)
    sectors["code"] = [f"{10 + 5 * sector}" for sector in market.economy.exposures.sector]
    return pd.concat([called, sectors], ignore_index=True)


def universe(market: Market) -> pd.DataFrame:
    """Return universe, ticker, cik, valid_from, valid_to: a member from its first bar to its last."""
    lives, company = market.economy.lives, np.arange(len(market.economy.lives))
    spell = _spell(market.economy.time.dates, lives.first, lives.last + 1)
    ticker = market.names.at(company, lives.first)
    return pd.DataFrame({"universe": UNIVERSE, "ticker": ticker, "cik": market.names.cik, **spell})


def _spell(dates: Dates, start: Ints, end: Ints) -> dict[str, Dates]:
    """Return valid_from and valid_to, the first day after the spell; NaT where that is after the last session."""
    padded = np.append(dates, np.datetime64("NaT"))
    return {"valid_from": days(dates[start]), "valid_to": days(padded[np.minimum(end, len(dates))])}


def benchmarks(market: Market) -> pd.DataFrame:
    """Return series, date, value: the market's index and the VIX at each close."""
    world = market.economy
    series = {INDEX: INDEX_START * np.exp(np.cumsum(world.market)), VIX: world.vix}
    return pd.concat(
        [pd.DataFrame({"series": s, "date": days(world.time.dates), "value": v}) for s, v in series.items()],
        ignore_index=True,
    )
