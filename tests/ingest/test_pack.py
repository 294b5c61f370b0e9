"""The real pack, with the traps of its files: all of them, the long ones thinned to what the tests look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nexus.db.engine import Database
from nexus.db.load import Loaded
from nexus.errors import InputError
from nexus.ingest import pack as the_pack
from nexus.ingest.prices import _dividends
from nexus.ingest.run import exit_status, ingest_all

Ask = Callable[..., list[tuple[Any, ...]]]
PRICES = "prices_daily_yf_2005_2024"
WHOLE = ("AAPL", "GOOG", "GOOGL", "META", "GE", "DD", "CB", "HUBB", "PEAK", "UA", "AXON", "FI")
"""Tickers whose series is kept whole."""
SAMPLED = tuple(pd.Timestamp(f"{year}-07-03") - pd.Timedelta(days=5) for year in range(2005, 2024))


@pytest.fixture(scope="module")
def thinned(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack with fewer bars: of most tickers the first, the last, and a week of each summer; fewer tweets."""
    folder = tmp_path_factory.mktemp("pack")
    for path in pack.glob("*.parquet"):
        (folder / path.name).symlink_to(path)
    bars = pd.read_parquet(pack / f"{PRICES}.parquet")
    summer = np.logical_or.reduce([bars["date"].between(day, day + pd.Timedelta(days=7)) for day in SAMPLED])
    first = ~bars["ticker"].duplicated()
    last = bars["date"] == bars["date"].max()
    _replace(folder, PRICES, bars[summer | first | last | bars["ticker"].isin(WHOLE)])
    _thin(folder, "events_tweets_stocknet", lambda rows: rows["ticker"].isin(["AAPL", "GOOG"]))
    _thin(folder, "events_sec_filings_30", lambda rows: rows["form"].isin(["8-K", "10-K"]) | (rows.index < 100))
    _thin(folder, "fundamentals_q_broad_2020_2026", lambda rows: rows.index < 5000)
    return folder


def _thin(folder: Path, stem: str, kept: Callable[[pd.DataFrame], pd.Series]) -> None:
    rows = pd.read_parquet(folder / f"{stem}.parquet")
    _replace(folder, stem, rows[kept(rows)])


def _replace(folder: Path, stem: str, rows: pd.DataFrame) -> None:
    (folder / f"{stem}.parquet").unlink()
    rows.to_parquet(folder / f"{stem}.parquet")


class Interrupted(Exception):
    """Stands for whatever ends a process between two files."""


@pytest.fixture(scope="module")
def loaded(database: Database, thinned: Path) -> list[Loaded]:
    """The whole pack, ingested in two goes: the first is cut off in the middle."""

    def cut_off(names: Sequence[str]) -> Iterable[str]:
        for name in names:
            if name == "fundamentals_xbrl_vintages":
                raise Interrupted
            yield name

    with pytest.raises(Interrupted):
        ingest_all(database, thinned, progress=cut_off)
    return ingest_all(database, thinned)


LISTED = "SELECT DISTINCT company_id, ticker FROM symbols WHERE source = 'nexus.listings'"


def ticker_rows(table: str, columns: str) -> str:
    """Rows of a table with the present ticker of each company."""
    return f"SELECT {columns} FROM {table} f JOIN ({LISTED}) s ON s.company_id = f.company_id"


def test_the_second_go_goes_on_where_the_first_was_cut_off(loaded: list[Loaded]) -> None:
    early = [one for one in loaded if one.table == "prices" or one.source in ("fja05680", "nexus.listings")]
    late = [one for one in loaded if one.table in ("events", "relations", "benchmarks")]
    assert all(one.already and one.inserted == 0 for one in early)
    assert all(one.inserted > 0 for one in late)


def test_the_pack_again_changes_nothing(database: Database, loaded: list[Loaded], thinned: Path) -> None:
    again = ingest_all(database, thinned)
    assert all(one.already for one in again)
    assert exit_status(again) == 0


def test_only_bad_rows_are_rejected(ask: Ask, loaded: list[Loaded]) -> None:
    found = ask("SELECT source, reason, count(*) FROM rejected_rows GROUP BY 1, 2 ORDER BY 1, 2")
    assert found == [
        ("sec-xbrl", "known before its period ends", 2),
        ("stocknet@2017-09-01", "missing value", 3),
        ("yahoo@2024-03-08", "price outside its range", 3),
    ]
    rows = ask("SELECT left(row_text, 15) FROM rejected_rows WHERE source ~ 'yahoo' ORDER BY row_number")
    assert rows[0] == ("HUBB,2021-05-05",)


def test_every_file_of_the_pack_is_loaded_or_said_why_not(pack: Path) -> None:
    loaded = {one.stem for one in the_pack.PACK}
    assert loaded.isdisjoint(the_pack.NOT_LOADED)
    assert {path.stem for path in pack.glob("*.parquet")} == loaded | set(the_pack.NOT_LOADED)


@pytest.mark.parametrize(("year", "least", "most"), [(2005, 0.55, 0.60), (2015, 0.76, 0.84), (2023, 0.99, 1.0)])
def test_coverage_of_members_with_prices(ask: Ask, loaded: list[Loaded], year: int, least: float, most: float) -> None:
    day = date(year, 7, 1)
    [(members, priced)] = ask(
        "WITH spell AS (SELECT DISTINCT ON (company_id, valid_from) * FROM universe_members "
        "ORDER BY company_id, valid_from, known_at DESC), "
        "member AS (SELECT DISTINCT company_id FROM spell "
        "WHERE valid_from <= :day AND coalesce(valid_to, 'infinity') > :day) "
        "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM prices p WHERE p.company_id = m.company_id "
        "AND p.session BETWEEN :day AND CAST(:day AS date) + 6)) FROM member m",
        day=day,
    )
    assert 490 <= members <= 506
    assert least <= priced / members <= most


def test_members_trade(ask: Ask, loaded: list[Loaded]) -> None:
    """A member whose prices were another company's would show: members trade for millions a day, small fry do not."""
    [(member_years, least)] = ask(
        "WITH spell AS (SELECT DISTINCT ON (company_id, valid_from) * FROM universe_members "
        "ORDER BY company_id, valid_from, known_at DESC), "
        "turnover AS (SELECT p.company_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY close * volume) AS traded "
        "FROM prices p JOIN spell s ON s.company_id = p.company_id AND session >= s.valid_from "
        "AND session < coalesce(s.valid_to, 'infinity') WHERE p.source ~ 'yahoo' "
        "GROUP BY p.company_id, extract(year FROM session) HAVING count(*) > 3) "
        "SELECT count(*), min(traded) FROM turnover"
    )
    assert member_years > 7000
    assert least > 2e6


def test_prices_are_split_adjusted_to_the_last_day(ask: Ask, loaded: list[Loaded]) -> None:
    query = ticker_rows("prices", "session, close, f.known_at") + (
        " WHERE ticker = 'AAPL' AND source ~ 'yahoo' AND session IN ('2014-06-06', '2024-03-08') ORDER BY 1"
    )
    (_, before, known_at), (_, after, _) = ask(query)
    assert before == pytest.approx(645.57 / 28, rel=1e-4)  # 7:1 and 4:1 since
    assert after == pytest.approx(170.73, rel=1e-4)
    assert known_at == datetime(2014, 6, 6, 20, tzinfo=UTC)
    bases = ask("SELECT source, basis, known_at_basis FROM sources WHERE basis IS NOT NULL ORDER BY 1")
    assert bases == [
        ("stocknet@2017-09-01", date(2017, 9, 1), "reported"),
        ("yahoo@2024-03-08", date(2024, 3, 8), "reported"),
    ]


def test_splits_as_traded_come_from_lean(ask: Ask, loaded: list[Loaded]) -> None:
    query = ticker_rows("corporate_actions", "ex_date, value") + " WHERE ticker = 'AAPL' AND kind = 'split' ORDER BY 1"
    assert ask(query) == [
        (date(2000, 6, 21), 2.0), (date(2005, 2, 28), 2.0), (date(2014, 6, 9), 7.0), (date(2020, 8, 31), 4.0),
    ]  # fmt: skip
    paid = ticker_rows("corporate_actions", "value") + (
        " WHERE ticker = 'AAPL' AND kind = 'dividend' AND f.source = 'lean' AND ex_date = '2020-11-06'"
    )
    assert ask(paid) == [(pytest.approx(0.205, abs=0.001),)]


def test_dividends_of_the_whole_price_file_are_the_implied_ones(pack: Path) -> None:
    bars = pd.read_parquet(pack / f"{PRICES}.parquet").astype({"close": float, "adj_close": float})
    company = bars["ticker"].cat.codes.to_numpy().astype(np.int64)
    order = np.lexsort((bars["date"], company))
    found = _dividends(bars.iloc[order], company[order], order + 1)
    assert found.rejects == ()
    paid = found.rows.to_pandas().assign(ticker=bars["ticker"].cat.categories[found.rows["company_id"]])
    paid["ex_date"] = pd.to_datetime(paid["ex_date"])
    implied = pd.read_parquet(pack / "events_dividends_implied.parquet")
    both = implied.merge(paid, on=["ticker", "ex_date"], how="left")
    assert both["value"].notna().all()
    assert (both["value"] / both["implied_amount"] - 1).abs().median() < 1e-3
    # besides: two yields under .00005, and five distributions of over half the price, which the file leaves out
    more = paid.merge(implied, on=["ticker", "ex_date"], how="left", indicator=True).query("_merge == 'left_only'")
    assert sorted(more["ticker"][more["value"] > 1]) == ["KDP", "MBI", "MO", "SSP", "WY"]
    assert len(more) == 7


def test_tickers_that_changed_hands(ask: Ask, loaded: list[Loaded]) -> None:
    holders = "SELECT DISTINCT identity FROM symbols JOIN entities ON entity_id = company_id WHERE ticker = :ticker"
    for ticker in ("AXON", "COHR", "COR", "CZR", "FI", "GEN", "WTW"):
        today, former = sorted(ask(holders, ticker=ticker))
        assert today[0].startswith("cik:")
        assert former[0].startswith(f"symbol:{ticker}@")
    priced = (
        "SELECT DISTINCT identity FROM prices p JOIN entities ON entity_id = company_id "
        "JOIN symbols s USING (company_id) WHERE ticker = 'AXON' AND p.source ~ 'yahoo'"
    )
    assert ask(priced) == [("cik:1069183/AXON",)]


def test_the_industry_of_a_former_holder_is_his(ask: Ask, loaded: list[Loaded]) -> None:
    query = "SELECT code FROM classifications JOIN entities ON entity_id = company_id WHERE source = 'rsr' AND {}"
    assert ask(query.format("identity = 'cik:1140859/COR'")) == [
        ("Other Pharmaceuticals",)
    ]  # AmerisourceBergen, ABC in 2017
    assert ask(query.format("name = 'COR'")) == [("Real Estate Investment Trusts",)]  # CoreSite


def test_membership_follows_a_company_through_its_renames(ask: Ask, loaded: list[Loaded]) -> None:
    spells = (
        "SELECT valid_from, max(valid_to) FROM universe_members JOIN entities ON entity_id = company_id "
        "WHERE identity = :identity GROUP BY 1 ORDER BY 1"
    )
    assert ask(spells, identity="cik:1326801/META") == [(date(2013, 12, 23), None)]
    assert ask(spells, identity="cik:849399/GEN") == [(date(2003, 3, 31), None)]
    assert ask(spells, identity="cik:896159/CB") == [(date(2016, 1, 15), None)]
    assert ask(spells, identity="symbol:CB@1996-01-02") == [(date(1996, 1, 2), date(2016, 1, 15))]


def test_quarters_that_may_be_read(ask: Ask, loaded: list[Loaded], pack: Path) -> None:
    quarters = "SELECT {} FROM fundamentals f WHERE source IN ('sec-q-sp500', 'sec-q-broad')"
    assert ask(quarters.format("count(*)") + " AND field = 'shares_outstanding'") == [(0,)]
    assert ask(quarters.format("count(*)") + " AND known_at::time <> '00:00'") == [(0,)]
    rows = ticker_rows("fundamentals", "field, period_start, period_end, value, f.known_at, unit") + (
        " WHERE ticker = 'A' AND f.source = 'sec-q-sp500' AND period_end = '2017-01-31' ORDER BY 1"
    )
    known = datetime(2017, 3, 9, tzinfo=UTC)  # filed on the 8th
    flow, instant = (date(2016, 11, 1), date(2017, 1, 31)), (date(2017, 1, 31), date(2017, 1, 31))
    assert ask(rows) == [
        ("capex", *flow, 32e6, known, "USD"),
        ("equity", *instant, 4297e6, known, "USD"),
        ("free_cash_flow", *flow, 84e6, known, "USD"),
        ("lag_days", *instant, 36.0, known, "days"),
        ("net_income", *flow, 168e6, known, "USD"),
        ("operating_cf", *flow, 116e6, known, "USD"),
        ("total_assets", *instant, 7872e6, known, "USD"),
    ]
    source = pd.read_parquet(pack / "fundamentals_q_sec_sp500_2009_2026.parquet")
    early = ask(
        "SELECT count(*) FROM fundamentals WHERE source = 'sec-q-sp500' AND known_at <= period_end + interval '1 day'"
    )
    assert early == [(0,)]
    assert (source["pit_flag"] != "ok").sum() > 0


def test_facts_of_an_issuer_are_on_each_of_its_lines(ask: Ask, loaded: list[Loaded]) -> None:
    lines = ask(
        "SELECT identity, count(*), sum(value) FROM fundamentals JOIN entities ON entity_id = company_id "
        "WHERE cik = 1652044 AND source = 'sec-q-sp500' AND field = 'net_income' GROUP BY 1 ORDER BY 1"
    )
    assert [identity for identity, *_ in lines[:2]] == ["cik:1652044/GOOG", "cik:1652044/GOOGL"]
    assert len({(count, total) for _, count, total in lines}) == 1


def test_every_vintage_of_an_xbrl_fact_is_there(ask: Ask, loaded: list[Loaded]) -> None:
    [(facts, restated)] = ask(
        "SELECT count(*), count(*) FILTER (WHERE told > 1) "
        "FROM (SELECT count(DISTINCT value) AS told FROM fundamentals "
        "WHERE source = 'sec-xbrl' GROUP BY company_id, field, unit, period_start, period_end) facts"
    )
    assert 0.05 < restated / facts < 0.12
    filers = ask(
        "SELECT DISTINCT cik FROM fundamentals JOIN entities ON entity_id = company_id WHERE source = 'sec-xbrl'"
    )
    assert len(filers) == 17
    assert (865941,) in filers  # Celadon has no ticker any more


def test_filings_are_known_when_accepted(ask: Ask, loaded: list[Loaded]) -> None:
    query = "SELECT event_type, event_date, known_at FROM events WHERE payload->>'accession' = :accession"
    stamped = ask(query, accession="0001104659-26-078801")
    assert stamped == [("4", date(2026, 6, 29), datetime(2026, 6, 29, 15, 52, 7, tzinfo=UTC))]
    ambiguous = ask(
        "SELECT count(*), bool_and(known_at::time = '00:00') FROM events WHERE source = 'sec-filings' "
        "AND event_date < '2003-01-01' AND event_type = '10-K'"
    )
    assert ambiguous[0][0] > 100
    assert ambiguous[0][1]
    [(ahead,)] = ask("SELECT count(*) FROM events WHERE source = 'sec-filings' AND known_at::date < event_date")
    assert ahead > 10
    assert ask("SELECT count(DISTINCT company_id) > 20 FROM events WHERE event_type = '8-K:2.02'") == [(True,)]


def test_senators_trades_are_known_when_disclosed(ask: Ask, loaded: list[Loaded]) -> None:
    [(n, late, odd)] = ask(
        "SELECT count(*), count(*) FILTER (WHERE known_at > event_date + interval '10 days'), "
        "count(*) FILTER (WHERE title LIKE '%<%') FROM events WHERE source = 'senate'"
    )
    assert n > 5000
    assert late > n / 2
    assert odd == 0
    [senate] = [one for one in loaded if one.source == "senate"]
    assert senate.out_of_scope >= 1667  # without a ticker
    assert senate.rejected == 0


def test_repeats_are_counted(loaded: list[Loaded]) -> None:
    repeats = {one.source: one.duplicates for one in loaded if one.duplicates}
    assert repeats["senate"] > 0
    assert repeats["findkg"] > 0
    assert repeats["stocknet-tweets"] > 0


def test_weights_of_holdings_are_vintages_of_one_spell(ask: Ask, loaded: list[Loaded]) -> None:
    query = (
        "SELECT valid_from, count(*), max(valid_to), min(known_at) FROM relations "
        "JOIN entities f ON f.entity_id = src_id JOIN entities c ON c.entity_id = dst_id "
        "WHERE source = 'ark' AND f.name = 'ARKK' AND c.identity = 'cik:1318605/TSLA' GROUP BY 1"
    )
    [(start, vintages, end, known_at)] = ask(query)
    assert (start, end) == (date(2020, 10, 16), None)  # held throughout
    assert vintages > 50
    assert known_at == datetime(2020, 10, 17, tzinfo=UTC)
    ended = ask("SELECT count(*) FROM relations WHERE source = 'ark' AND valid_to IS NOT NULL AND known_at <= valid_to")
    assert ended == [(0,)]


def test_factor_returns_are_decimal_and_published_late(ask: Ask, loaded: list[Loaded]) -> None:
    rows = ask("SELECT value, known_at FROM benchmarks WHERE series = 'MKT_RF' AND session = '1963-07-01'")
    assert rows == [(-0.0067, datetime(1963, 9, 1, tzinfo=UTC))]
    [(daily, monthly)] = ask(
        "SELECT (SELECT exp(sum(ln(1 + value))) - 1 FROM benchmarks WHERE series = 'MKT_RF' "
        "AND session BETWEEN '2008-10-01' AND '2008-10-31'), "
        "(SELECT value FROM benchmarks WHERE series = 'MKT_RF.M' AND session = '2008-10-31')"
    )
    assert daily == pytest.approx(monthly, abs=0.01)


def test_two_index_files_are_two_sources(ask: Ask, loaded: list[Loaded]) -> None:
    rows = ask("SELECT source, value FROM benchmarks WHERE series = 'SP500' AND session = '2016-01-04' ORDER BY 1")
    assert [source for source, _ in rows] == ["sp500-1999-2018", "sp500-2015-2026"]
    assert rows[0][1] == pytest.approx(rows[1][1], rel=1e-6)


def test_sectors_are_backdated_and_say_so(ask: Ask, loaded: list[Loaded]) -> None:
    assert ask("SELECT known_at_basis FROM sources WHERE source = 'gics'") == [("backdated",)]
    at_2010 = ticker_rows("classifications", "code") + (
        " WHERE ticker = 'AAPL' AND scheme = 'GICS' AND f.known_at < '2010-01-01'"
    )
    assert ask(at_2010) == [("Information Technology",)]


def test_price_sources_that_disagree_are_shown(ask: Ask, loaded: list[Loaded]) -> None:
    found = ask(
        "SELECT session, what, round(difference::numeric, 3)::float FROM price_disagreements d "
        f"JOIN ({LISTED}) s USING (company_id) WHERE ticker = 'GE' AND what = 'open' "
        "ORDER BY abs(difference) DESC LIMIT 1"
    )
    assert found == [(date(2017, 6, 12), "open", -0.044)]
    assert ask("SELECT count(*) FROM price_disagreements WHERE what = 'step'") == [(0,)]


def test_an_empty_folder_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of the real pack"):
        ingest_all(database, tmp_path)


def test_a_truncated_file_of_the_pack_does_not_stop_the_others(
    database: Database, loaded: list[Loaded], thinned: Path, tmp_path: Path
) -> None:
    vix = (thinned / "market_vix_daily.parquet").read_bytes()
    (tmp_path / "market_vix_daily.parquet").write_bytes(vix[:-100])
    (tmp_path / "market_sp500_daily_2015_2026.parquet").symlink_to(thinned / "market_sp500_daily_2015_2026.parquet")
    again = ingest_all(database, tmp_path)
    assert exit_status(again) == 1
    assert {one.source: one.already for one in again if one.table == "benchmarks"} == {
        "cboe-vix": False,
        "sp500-2015-2026": True,
    }
