"""The real pack: what each of its files holds, in the documented columns, with the source, rule and licence of each.

A mapping takes the rows of a file and gives rows of its kind, indexed by the row of the file that each came from; rows
that it does not mention are out of scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from nexus.db.load import SourceInfo
from nexus.ingest import pack_events, pack_fundamentals, pack_market, pack_relations
from nexus.ingest.reading import Raw

Mapping = Callable[[pd.DataFrame], pd.DataFrame]

SEC_MAP = date(2026, 7, 2)
"""Day of the SEC's CIK-ticker map: the label of files whose tickers were today's when they were made."""
YAHOO, STOCKNET = date(2024, 3, 8), date(2017, 9, 1)
"""Last days, and so the bases and labels, of the two price files."""


@dataclass(frozen=True)
class PackFile:
    """One file of the pack.

    label : day on which its tickers were the current ones; None: each row's own day
    """

    stem: str
    kind: str
    source: SourceInfo
    rows: Mapping
    label: date | None = None


def mapped(file: PackFile, raw: Raw) -> Raw:
    """The rows of a file of the pack in documented columns, each with its place in the file."""
    rows = file.rows(raw.frame)
    out_of_scope = len(raw.frame) - rows.index.nunique()
    return Raw(rows.reset_index(drop=True), raw.numbers[rows.index], raw.rejects, out_of_scope, raw.read)


PACK = (
    PackFile(
        "security_gics_snapshots",
        "reference",
        SourceInfo("gics", "backdated", licence="MIT, PDDL", description="snapshots of 2025-11 and 2026-08"),
        pack_market.gics,
        SEC_MAP,
    ),
    PackFile(
        "relations_rsr_industry",
        "reference",
        SourceInfo("rsr", "assumed", licence="MIT", description="industries of NASDAQ and NYSE, end of 2017"),
        pack_market.industries,
    ),
    PackFile(
        "security_stocknet_sectors",
        "reference",
        SourceInfo("stocknet", "assumed", licence="MIT", description="sectors of 88 companies, 2017"),
        pack_market.stocknet_sectors,
        STOCKNET,
    ),
    PackFile(
        "universe_sp500_membership",
        "universe",
        SourceInfo("fja05680", "assumed", licence="MIT", description="S&P 500 membership since 1996"),
        pack_market.membership,
    ),
    PackFile(
        "prices_daily_yf_2005_2024",
        "prices",
        SourceInfo("yahoo@2024-03-08", "reported", YAHOO, 10, "Unlicense; upstream Yahoo terms", "survivors of 2024"),
        pack_market.bars,
        YAHOO,
    ),
    PackFile(
        "prices_daily_stocknet_2012_2017",
        "prices",
        SourceInfo("stocknet@2017-09-01", "reported", STOCKNET, 20, "MIT", "88 companies"),
        pack_market.bars,
        STOCKNET,
    ),
    PackFile(
        "events_split_dividend_factors_lean",
        "actions",
        SourceInfo("lean", "reported", licence="Apache-2.0", description="22 securities, as traded"),
        pack_market.lean_factors,
        date(2021, 3, 31),
    ),
    PackFile(
        "fundamentals_q_sec_sp500_2009_2026",
        "fundamentals",
        SourceInfo("sec-q-sp500", "reported", None, 20, "MIT; SEC", "quarters of 503 firms, one vintage"),
        pack_fundamentals.quarters,
        SEC_MAP,
    ),
    PackFile(
        "fundamentals_q_broad_2020_2026",
        "fundamentals",
        SourceInfo("sec-q-broad", "reported", None, 30, "MIT; SEC", "quarters of 4,034 firms, one vintage"),
        pack_fundamentals.quarters,
        SEC_MAP,
    ),
    PackFile(
        "fundamentals_xbrl_vintages",
        "fundamentals",
        SourceInfo("sec-xbrl", "reported", None, 10, "US public domain", "every vintage of 17 firms"),
        pack_fundamentals.vintages,
    ),
    PackFile(
        "events_sec_filings_30",
        "events",
        SourceInfo("sec-filings", "reported", None, 10, "US public domain", "all filings of 30 firms"),
        pack_events.filings,
    ),
    PackFile(
        "events_earnings_dates",
        "events",
        SourceInfo(
            "earnings-dates", "assumed", licence="none stated", description="515 tickers, taken as after the close"
        ),
        pack_events.earnings,
        date(2025, 7, 31),
    ),
    PackFile(
        "events_senate_trades",
        "events",
        SourceInfo(
            "senate", "reported", licence="public record", description="trades of senators, known when disclosed"
        ),
        pack_events.senate_trades,
    ),
    PackFile(
        "events_tweets_stocknet",
        "events",
        SourceInfo("stocknet-tweets", "reported", licence="MIT; X terms", description="87 tickers, 2014-2015"),
        pack_events.tweets,
    ),
    PackFile(
        "relations_fund_holdings_ark",
        "relations",
        SourceInfo(
            "ark", "assumed", licence="none stated", description="daily holdings of 8 funds, 30 % of days missing"
        ),
        pack_relations.holdings,
    ),
    PackFile(
        "relations_findkg_dated",
        "relations",
        SourceInfo(
            "findkg", "reported", licence="GPL-3, research use", description="triples from news, by a model: noisy"
        ),
        pack_relations.triples,
        SEC_MAP,
    ),
    PackFile(
        "relations_eto_semis_provision",
        "relations",
        SourceInfo("eto", "assumed", licence="CC BY-NC 4.0", description="semiconductor supply chain, one snapshot"),
        pack_relations.provision,
    ),
    PackFile(
        "relations_eto_semis_competitors_derived",
        "relations",
        SourceInfo("eto-derived", "assumed", licence="CC BY-NC 4.0", description="providers of the same input"),
        pack_relations.competitors,
    ),
    PackFile(
        "factors_ff5_daily",
        "benchmarks",
        SourceInfo("french-daily", "assumed", licence="Ken French data library", description="a later vintage"),
        pack_market.factors_daily,
    ),
    PackFile(
        "factors_ff5_mom_monthly",
        "benchmarks",
        SourceInfo("french-monthly", "assumed", licence="Ken French data library", description="a later vintage"),
        pack_market.factors_monthly,
    ),
    PackFile(
        "market_vix_daily",
        "benchmarks",
        SourceInfo("cboe-vix", "reported", licence="PDDL"),
        pack_market.vix,
    ),
    PackFile(
        "market_sp500_daily_1999_2018",
        "benchmarks",
        SourceInfo("sp500-1999-2018", "reported", None, 20, "NCSA", "price index, no dividends"),
        pack_market.sp500,
    ),
    PackFile(
        "market_sp500_daily_2015_2026",
        "benchmarks",
        SourceInfo("sp500-2015-2026", "reported", None, 10, "MIT", "price index, no dividends"),
        pack_market.sp500,
    ),
)

NOT_LOADED = {
    "events_dividends_implied": "derived from adj_close / close, which the price file is read for itself",
    "fundamentals_restatements_30": "derived by its author from vintages; no period, so no key",
    "universe_sp500_changes": "the same spells as the membership file",
    "security_sec_cik_ticker": "read for the listings",
    "security_sec_profile_30": "read for the listings",
    "security_symbol_map_lean": "a sample; its changes that matter are in renames.csv",
    "relations_eto_semis_inputs": "names of goods, of no firm",
    "relations_eto_semis_providers": "names of the providers, which the provision file repeats",
    "relations_eto_semis_sequence": "edges between goods, of no firm",
}
"""Files of the pack that no table takes, and why."""
