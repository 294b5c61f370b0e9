"""A small market of a few years in a real database, and the frames it was made of, for slow definitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.load import SourceInfo, begin_run, ensure_source, load

COMPANIES, SESSIONS = 30, 900
UNIVERSE, SECTORS = "SP500", 4
SPLIT_OF, GAPS_OF, LEAVER, NEWCOMER, NO_FUNDAMENTALS = 3, 5, 7, 9, 11
"""Companies (by place) with a split, with missing bars, that leaves, that comes late, that never files."""


@dataclass(frozen=True)
class Market:
    """Frames by table, with known_at; `companies` are ids, `days` the sessions."""

    companies: list[int]
    days: pd.DatetimeIndex
    tables: dict[str, pd.DataFrame]

    @property
    def tickers(self) -> list[str]:
        """First ticker of each company."""
        return [f"T{place:02d}" for place in range(len(self.companies))]

    @property
    def renamed(self) -> tuple[str, str]:
        """The tickers of company 1, which changes its name at session 500."""
        return "T01", "NEW1"

    def known(self, table: str, day: date) -> pd.DataFrame:
        """Rows known at the close of `day`."""
        frame = self.tables[table]
        return frame[frame["known_at"] <= close_of(day)]

    def day(self, place: int) -> date:
        """The session at `place`."""
        return self.days[place].date()


def close_of(day: object) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=21)


def next_day(days: pd.Series) -> pd.Series:
    return pd.to_datetime(days).dt.tz_localize("UTC") + pd.Timedelta(days=1)


def build(database: Database, seed: int = 7) -> Market:
    """Draw the market and load it through the real way in."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2016-01-04", periods=SESSIONS)
    companies = _people(database, days)
    tables = {
        "prices": _prices(random, companies, days),
        "corporate_actions": _actions(companies, days),
        "fundamentals": _fundamentals(random, companies, days),
        "events": _events(random, companies, days),
        "benchmarks": _benchmarks(random, days),
        "universe_members": _members(companies, days),
        "classifications": _sectors(companies, days),
        "symbols": _symbols(companies, days),
        "relations": _relations(random, companies, days),
    }
    ensure_source(database, SourceInfo("test", "reported"))
    run = begin_run(database, "test")
    for table, frame in tables.items():
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        load(database, run, table, rows, source="test", file=None, known_at_given=True)
    return Market(companies, days, tables)


def _people(database: Database, days: pd.DatetimeIndex) -> list[int]:
    with database.write() as connection:
        ids = [
            connection.scalar(
                text(
                    "INSERT INTO entities (kind, identity, name) VALUES ('company', :name, :name) RETURNING entity_id"
                ),
                {"name": f"company {place}"},
            )
            for place in range(COMPANIES)
        ]
        connection.execute(
            text("INSERT INTO sessions VALUES ('XNYS', :day, :opens, :closes) ON CONFLICT DO NOTHING"),
            [{"day": d.date(), "opens": close_of(d) - pd.Timedelta(hours=6), "closes": close_of(d)} for d in days],
        )
    return ids


def _prices(random: np.random.Generator, companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    market = 0.01 * random.standard_normal(len(days))
    beta = random.normal(1, 0.4, len(companies))
    own = random.uniform(0.008, 0.03, len(companies)) * random.standard_normal((len(days), len(companies)))
    close = 40 * np.exp(np.cumsum(market[:, None] * beta + own, axis=0))
    close[len(days) // 2 :, SPLIT_OF] /= 2
    spread = 1 + 0.01 * random.random((2, *close.shape))
    frame = pd.DataFrame(
        {
            "session": np.repeat(days, len(companies)),
            "company_id": np.tile(companies, len(days)),
            "open": (close * 1.001).ravel(),
            "high": (close * spread[0] * 1.001).ravel(),
            "low": (close / spread[1]).ravel(),
            "close": close.ravel(),
            "volume": np.round(random.lognormal(12, 1, close.shape)).ravel(),
        }
    )
    keep = np.ones(close.shape, bool)
    keep[random.random(len(days)) < 0.1, GAPS_OF] = False
    keep[600:, LEAVER] = False
    keep[:500, NEWCOMER] = False
    frame = frame[keep.ravel()].reset_index(drop=True)
    frame["known_at"] = frame["session"].dt.tz_localize("UTC") + pd.Timedelta(hours=21)
    frame["session"] = frame["session"].dt.date
    return frame


def _actions(companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    rows = [(companies[SPLIT_OF], days[len(days) // 2], "split", 2.0)]
    rows += [(companies[place], day, "dividend", 0.25) for place in range(0, 10) for day in days[20 + place :: 63]]
    frame = pd.DataFrame(rows, columns=["company_id", "ex_date", "kind", "value"])
    frame["known_at"] = frame["ex_date"].dt.tz_localize("UTC")
    frame["ex_date"] = frame["ex_date"].dt.date
    return frame


def _fundamentals(random: np.random.Generator, companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    """Five fields a quarter, filed 20 to 60 days later; a third restated half a year on."""
    rows = []
    for place, company in enumerate(companies):
        if place == NO_FUNDAMENTALS:
            continue
        scale = random.lognormal(3, 1)
        for end in pd.date_range("2014-12-31", days[-1], freq="QE"):
            lag = int(random.integers(20, 60))
            start = end - pd.DateOffset(months=3) + pd.Timedelta(days=1)
            scale *= random.lognormal(0.01, 0.05)
            values = {
                "revenue": (start, scale),
                "net_income": (start, scale * random.normal(0.1, 0.05)),
                "operating_cf": (start, scale * random.normal(0.12, 0.05)),
                "total_assets": (end, scale * 8),
                "equity": (end, scale * 3),
                "lag_days": (end, float(lag)),
            }
            if place % 3 == 0 and end.month != 3:
                del values["operating_cf"]
            if place % 4 == 0 and end.month == 12:
                del values["revenue"], values["net_income"]
            known = pd.Timestamp(end, tz="UTC") + pd.Timedelta(days=lag + 1)
            for field, (begin, value) in values.items():
                rows.append((company, field, "USD", begin.date(), end.date(), known, value))
                if random.random() < 0.3:
                    later = known + pd.Timedelta(days=180)
                    rows.append((company, field, "USD", begin.date(), end.date(), later, value * random.normal(1, 0.2)))
    columns = ["company_id", "field", "unit", "period_start", "period_end", "known_at", "value"]
    return pd.DataFrame(rows, columns=columns)


def _events(random: np.random.Generator, companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    rows = [
        (f"{kind} {company} {day.date()}", company, kind, day.date())
        for kind, every in (("earnings", 63), ("8-K:5.02", 150))
        for place, company in enumerate(companies)
        for day in days[int(random.integers(10, 40)) :: every]
    ]
    frame = pd.DataFrame(rows, columns=["event_id", "company_id", "event_type", "event_date"])
    frame["known_at"] = next_day(frame["event_date"])
    return frame


def _benchmarks(random: np.random.Generator, days: pd.DatetimeIndex) -> pd.DataFrame:
    level = 2000 * np.exp(np.cumsum(0.01 * random.standard_normal(len(days))))
    frame = pd.DataFrame({"series": "SP500", "session": days, "value": level})
    frame["known_at"] = frame["session"].dt.tz_localize("UTC") + pd.Timedelta(hours=21)
    frame["session"] = frame["session"].dt.date
    return frame


def _members(companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    """All but the last two; company 0 leaves the universe half-way."""
    rows = [(UNIVERSE, company, days[0].date(), None) for company in companies[:-2]]
    rows.append((UNIVERSE, companies[0], days[0].date(), days[450].date()))
    frame = pd.DataFrame(rows, columns=["universe", "company_id", "valid_from", "valid_to"])
    frame["known_at"] = next_day(frame["valid_to"].fillna(frame["valid_from"]))
    return frame


def _sectors(companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    frame = pd.DataFrame({"company_id": companies, "scheme": "GICS", "valid_from": days[0].date(), "valid_to": None})
    frame["code"] = [f"sector {place % SECTORS}" for place in range(len(companies))]
    frame["known_at"] = next_day(frame["valid_from"])
    return frame


def _symbols(companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    first, change = days[0].date(), days[500].date()
    rows = [(company, f"T{place:02d}", first, None, first) for place, company in enumerate(companies)]
    rows += [(companies[1], "T01", first, change, change), (companies[1], "NEW1", change, None, change)]
    frame = pd.DataFrame(rows, columns=["company_id", "ticker", "valid_from", "valid_to", "known_at"])
    return frame.assign(known_at=next_day(frame["known_at"]))


def _relations(random: np.random.Generator, companies: list[int], days: pd.DatetimeIndex) -> pd.DataFrame:
    """Two suppliers each, known two months late."""
    src = np.repeat(companies, 2)
    dst = (np.tile([1, 2], len(companies)) + src - companies[0]) % len(companies) + companies[0]
    start = days[random.integers(0, 800, len(src))]
    frame = pd.DataFrame({"src_id": src, "relation": "supplies", "dst_id": dst, "valid_from": start, "valid_to": None})
    frame["weight"] = random.random(len(src))
    frame["known_at"] = next_day(frame["valid_from"] + pd.Timedelta(days=60))
    return frame.assign(valid_from=frame["valid_from"].dt.date)
