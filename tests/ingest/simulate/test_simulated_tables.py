from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nexus.ingest.simulate import Market, simulate, tables

COLUMNS = {
    "reference": ["ticker", "cik", "name", "valid_from", "valid_to", "scheme", "code"],
    "universe": ["universe", "ticker", "cik", "valid_from", "valid_to"],
    "prices": ["ticker", "date", "open", "high", "low", "close", "volume"],
    "actions": ["ticker", "ex_date", "kind", "value", "known_at"],
    "benchmarks": ["series", "date", "value"],
    "fundamentals": ["ticker", "cik", "field", "unit", "period_start", "period_end", "value", "known_at"],
    "events": ["ticker", "cik", "event_type", "event_date", "known_at", "title", "payload"],
    "relations": ["src_kind", "src", "relation", "dst_kind", "dst", "valid_from", "valid_to", "weight", "known_at"],
}
KEYS = {
    "reference": ["cik", "valid_from", "scheme"],
    "universe": ["cik", "valid_from"],
    "prices": ["ticker", "date"],
    "actions": ["ticker", "ex_date", "kind"],
    "benchmarks": ["series", "date"],
    "fundamentals": ["cik", "field", "unit", "period_start", "period_end", "known_at"],
    "relations": ["src", "relation", "dst", "valid_from", "known_at"],
}

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def frames(market: Market) -> Frames:
    return tables(market)


def symbols(frames: Frames) -> pd.DataFrame:
    reference = frames["reference"]
    return reference[reference["scheme"].isna()]


def resolve(frames: Frames, rows: pd.DataFrame, day: str) -> pd.Series:
    """The CIK whose spell of the row's ticker holds on the row's day: what any reader of the files does."""
    spells = symbols(frames)[["ticker", "cik", "valid_from", "valid_to"]]
    keyed = (
        rows.drop(columns="cik", errors="ignore").reset_index()[["index", "ticker", day]].rename(columns={day: "day"})
    )
    joined = keyed.astype({"ticker": str}).merge(spells, on="ticker")
    holds = (joined["valid_from"] <= joined["day"]) & ~(joined["valid_to"] <= joined["day"])
    owner = joined[holds].set_index("index")["cik"]
    assert owner.index.is_unique
    return owner.reindex(rows.index)


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_and_keys(frames: Frames, kind: str) -> None:
    assert frames[kind].columns.tolist() == COLUMNS[kind]
    if kind in KEYS:
        assert not frames[kind].duplicated(KEYS[kind]).any()


@pytest.mark.parametrize(("kind", "day"), [("actions", "ex_date"), ("universe", "valid_from")])
def test_tickers_are_those_in_force(frames: Frames, kind: str, day: str) -> None:
    assert resolve(frames, frames[kind], day).notna().all()


def test_prices_resolve_to_the_company_that_traded(frames: Frames, market: Market) -> None:
    prices = frames["prices"]
    sample = prices.iloc[np.random.default_rng(0).choice(len(prices), 20_000, replace=False)]
    company = resolve(frames, sample, "date") - market.names.cik[0]
    session = np.searchsorted(market.economy.time.dates, sample["date"].to_numpy().astype("datetime64[D]"))
    np.testing.assert_array_equal(market.bars.close[session, company.astype(int)], sample["close"])


def test_two_tickers_have_a_second_owner_and_one_company_in_a_hundred_is_renamed_a_year(
    frames: Frames, market: Market
) -> None:
    spells = symbols(frames)
    owners = spells.groupby("ticker")["cik"].nunique()
    assert owners.value_counts().to_dict() == {1: len(owners) - 2, 2: 2}
    renames = len(spells) - spells["cik"].nunique()
    assert renames == pytest.approx(100, abs=4 * np.sqrt(100))
    following = spells.sort_values(["cik", "valid_from"]).groupby("cik")
    gaps = following["valid_from"].shift(-1) != spells["valid_to"]
    assert gaps.sum() == spells["cik"].nunique()  # spells of a company touch; only its last has none after it


def test_each_company_is_in_one_of_eleven_sectors(frames: Frames, market: Market) -> None:
    classes = frames["reference"].query("scheme == 'SIM'")
    assert classes["cik"].tolist() == market.names.cik.tolist()
    assert classes["code"].nunique() == 11
    together = classes["code"].to_numpy()[:, None] == classes["code"].to_numpy()
    sector = market.economy.exposures.sector
    np.testing.assert_array_equal(together, sector[:, None] == sector)


def test_members_are_those_listed(frames: Frames, market: Market) -> None:
    universe = frames["universe"]
    for session in (0, 1234, 5039):
        day = pd.Timestamp(market.economy.time.dates[session])
        inside = universe[(universe["valid_from"] <= day) & ~(universe["valid_to"] <= day)]
        listed = market.names.cik[np.isfinite(market.bars.close[session])]
        assert sorted(inside["cik"]) == sorted(listed)


def test_delistings_follow_the_last_bar(frames: Frames, market: Market) -> None:
    delisted = frames["actions"].query("kind == 'delisting'")
    cik = resolve(frames, delisted, "ex_date")
    company = (cik - market.names.cik[0]).to_numpy().astype(int)
    dates = market.economy.time.dates[market.economy.lives.last[company] + 1]
    np.testing.assert_array_equal(delisted["ex_date"].to_numpy().astype("datetime64[D]"), dates)
    np.testing.assert_array_equal(delisted["value"], market.economy.delisting[company])
    assert len(delisted) == (~market.economy.lives.stays()).sum()


def test_statements_are_late_and_some_are_restated(frames: Frames) -> None:
    facts = frames["fundamentals"]
    facts = facts[~facts["field"].astype(str).str.startswith("planted") & (facts["field"] != "lag_days")]
    facts = facts.astype({"field": str}).sort_values("known_at")
    days = (facts["known_at"].dt.tz_localize(None).dt.normalize() - facts["period_end"]).dt.days
    again = facts.duplicated(["cik", "field", "period_end"])
    assert days[~again].between(25, 60).all()
    assert again.sum() / (~again).sum() == pytest.approx(0.08, abs=0.005)
    vintages = facts.groupby(["cik", "field", "period_end"])["known_at"]
    apart = (vintages.max() - vintages.min()).dt.days
    assert apart[apart > 0].between(85, 366).all() and vintages.size().max() == 2
    values = facts.groupby(["cik", "field", "period_end"])["value"].nunique()
    assert (values == vintages.size()).all()


def test_flows_last_a_quarter_and_instants_a_day(frames: Frames) -> None:
    facts = frames["fundamentals"]
    length = (facts["period_end"] - facts["period_start"]).dt.days
    flow = facts["field"].isin(["revenue", "net_income", "operating_cf"])
    assert length[flow].between(89, 91).all() and (length[~flow] == 0).all()


def test_planted_scores_are_known_at_the_close_of_their_month_end(frames: Frames, market: Market) -> None:
    facts = frames["fundamentals"].query("field == 'planted_p2'")
    time = market.economy.time
    month = np.searchsorted(time.dates[time.months], facts["period_end"].to_numpy().astype("datetime64[D]"))
    company = (facts["cik"] - market.names.cik[0]).to_numpy()
    np.testing.assert_array_equal(facts["value"], market.truths.scores["P2"][month, company])
    np.testing.assert_array_equal(
        facts["known_at"].dt.tz_convert(None).to_numpy().astype("datetime64[s]"), time.closes[time.months][month]
    )
    assert len(facts) == np.isfinite(market.truths.scores["P2"]).sum()


def test_nothing_is_known_before_it_happens_nor_after_the_market_ends(frames: Frames, market: Market) -> None:
    end = pd.Timestamp(market.economy.time.closes[-1], tz="UTC")
    for kind, day in (("fundamentals", "period_end"), ("events", "event_date"), ("relations", "valid_from")):
        known = frames[kind]["known_at"]
        assert (known.dt.tz_localize(None) > frames[kind][day]).all() and known.max() <= end


def test_each_firm_has_three_customers_and_loses_two_per_cent_a_month(frames: Frames, market: Market) -> None:
    supplies = frames["relations"].query("relation == 'supplies'").sort_values("known_at")
    begun = supplies[supplies["valid_to"].isna()]
    lag = (begun["known_at"].dt.tz_localize(None).dt.normalize() - begun["valid_from"]).dt.days
    assert lag.between(30, 90).all()
    newest = supplies.drop_duplicates(["src", "dst", "valid_from"], keep="last")
    day = pd.Timestamp("2014-06-10")
    open_then = newest[(newest["valid_from"] <= day) & ~(newest["valid_to"] <= day)]
    assert len(open_then) == pytest.approx(1500, rel=0.02)
    assert open_then.groupby("src").size().max() == 3
    assert (open_then["src"] != open_then["dst"]).all()
    monthly = newest["valid_to"].notna().sum() / 240 / 1500
    leavers = 2 * 0.035 / 12  # a tie ends too when either firm leaves
    assert monthly == pytest.approx(0.02 + leavers, rel=0.1)


def test_an_end_is_known_after_its_beginning(frames: Frames) -> None:
    ties = frames["relations"]
    key = ["src", "relation", "dst", "valid_from"]
    both = ties[ties["valid_to"].isna()].merge(ties[ties["valid_to"].notna()], on=key, suffixes=("", "_end"))
    assert len(both) == ties["valid_to"].notna().sum() > 10_000
    assert (both["known_at_end"] > both["known_at"]).all()
    assert (both["valid_to_end"] > both["valid_from"]).all()


def test_frames_survive_parquet(frames: Frames, tmp_path: Path) -> None:
    for kind in ("actions", "events", "relations"):
        path = tmp_path / f"{kind}.parquet"
        frames[kind].to_parquet(path)
        back = pd.read_parquet(path)
        assert back["known_at"].dt.tz is not None
        pd.testing.assert_frame_equal(back.reset_index(drop=True), frames[kind].reset_index(drop=True))


def test_a_market_that_nobody_leaves() -> None:
    small = simulate(0, sessions=80, listed=25)
    frames = tables(small)
    assert small.economy.lives.stays().all() and len(frames["universe"]) == 25
    assert (frames["actions"]["kind"] != "delisting").all()
    assert len(frames["prices"]) == 80 * 25
