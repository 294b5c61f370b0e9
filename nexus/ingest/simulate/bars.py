"""From total returns to what an exchange prints: raw prices with their splits, dividends and volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.ingest.simulate.economy import Economy
from nexus.ingest.simulate.risk import YEAR
from nexus.ingest.simulate.streams import stream
from nexus.maths.types import Floats

PAYERS, YIELD = 0.6, (0.01, 0.04)
"""Share of companies that pay dividends, each quarter; range of their yields a year."""
DEAR, CHEAP, SPLIT, CONSOLIDATION = 150.0, 4.0, 2.0, 0.1
"""Closes at which a share is split or consolidated, and into how many."""
SPLIT_DAY, DIVIDEND_DAYS = 6, (9, 14)
"""Sessions after a month-end; never the same, so that no dividend needs the question before or after the split."""
DECIMALS = 4


@dataclass(frozen=True)
class Bars:
    """As traded, (n_sessions, n_companies) each, NaN where not listed.

    split : new shares for one old, 1 where none; dividend : cash a share, 0 where none
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    split: Floats
    dividend: Floats


def bars(world: Economy) -> Bars:
    """Print an economy's returns: (close x split + dividend) / close before - 1 is its return, up to rounding."""
    listed = world.lives.listed(np.arange(len(world.time)))
    yields = _yields(world) * listed
    adjusted = np.log(_first_prices(world)) + np.cumsum(np.log(np.exp(world.log_return) - yields), axis=0)
    split = _splits(world, adjusted)
    close = np.exp(adjusted - np.cumsum(np.log(split), axis=0))
    before = np.vstack([close[:1], close[:-1]]) / split
    dividend = np.round(yields * before * split, DECIMALS)
    opened, high, low = _intraday(world, before, close)
    volume = _volume(world, close)
    prices = (np.round(x, DECIMALS) for x in (opened, high, low, close))
    return Bars(*(np.where(listed, x, np.nan) for x in (*prices, volume, split, dividend)))


def _first_prices(world: Economy) -> Floats:
    return 40 * np.exp(0.6 * stream(world.seed, "first prices").standard_normal(len(world.lives)))


def _yields(world: Economy) -> Floats:
    """Return the dividend as a share of the close before it, (n_sessions, n_companies)."""
    random = stream(world.seed, "dividends")
    companies = len(world.lives)
    quarterly = np.where(random.random(companies) < PAYERS, random.uniform(*YIELD, companies) / 4, 0.0)
    month, day = random.integers(3, size=companies), random.integers(*DIVIDEND_DAYS, size=companies)
    yields = np.zeros(world.log_return.shape)
    for first in range(3):
        who = np.flatnonzero(month == first)
        for session in world.time.months[first::3]:
            ex = session + day[who]
            paid = (ex < len(world.time)) & (ex > world.lives.first[who])
            yields[ex[paid], who[paid]] = quarterly[who[paid]]
    return yields


def _splits(world: Economy, adjusted: Floats) -> Floats:
    """Return new shares for one old, (n_sessions, n_companies), from the log prices of a share never split."""
    split = np.ones(adjusted.shape)
    shares = np.ones(adjusted.shape[1])
    dear = DEAR * np.exp(0.2 * stream(world.seed, "splits").standard_normal(len(shares)))
    for session in world.time.months[world.time.months + SPLIT_DAY < len(split)] + SPLIT_DAY:
        price = np.exp(adjusted[session - 1]) / shares
        settled = (world.lives.first < session) & (session <= world.lives.last)
        ratio = np.select([settled & (price > dear), settled & (price < CHEAP)], [SPLIT, CONSOLIDATION], 1.0)
        split[session] = ratio
        shares *= ratio
    return split


def _intraday(world: Economy, before: Floats, close: Floats) -> tuple[Floats, Floats, Floats]:
    """Return open, high and low: the open is part of the way from the close before, high and low reach beyond both."""
    random = stream(world.seed, "intraday")
    swing = (world.exposures.volatility / np.sqrt(YEAR)).astype(np.float32)
    shape = close.shape
    opened = before * np.exp(0.3 * np.log(close / before) + 0.3 * swing * random.standard_normal(shape, np.float32))
    high = np.maximum(opened, close) * np.exp(0.5 * swing * np.abs(random.standard_normal(shape, np.float32)))
    low = np.minimum(opened, close) * np.exp(-0.5 * swing * np.abs(random.standard_normal(shape, np.float32)))
    return opened, high, low


def _volume(world: Economy, close: Floats) -> Floats:
    """Return whole shares: a turnover in dollars of each company's own size, more on days that move."""
    random = stream(world.seed, "volume")
    size = np.log(5e7) + random.standard_normal(len(world.lives))
    moved = np.abs(world.log_return) / (world.exposures.volatility / np.sqrt(YEAR))
    noise = 0.35 * random.standard_normal(close.shape, np.float32)
    shares: Floats = np.ceil(np.exp(size + noise + 0.15 * np.minimum(moved, 6)) / close)
    return shares
