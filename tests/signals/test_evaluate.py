"""From the database to a verdict and a registry row, against a slow definition; twice, replayed, and described."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats
from small_market import Market
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from nexus.db import ledger_audit
from nexus.db.engine import Database
from nexus.db.load import begin_run, load
from nexus.errors import InputError, RefusedError
from nexus.signals import registry
from nexus.signals.evaluate import evaluate
from nexus.signals.factor import Factor
from nexus.signals.reproduce import reproduce
from nexus.signals.user import factors

HORIZONS = (21, 63)


def size(data, day, params):
    return -data.at(day).prices("close", 1)[-1]


def noisy(data, day, params):
    return size(data, day, params) + 1e-3 * np.arange(30)


def even(data, day):
    return day.month % 2 == 0


SIZE = Factor("size", "1", ("prices.close",), "none", size)


@pytest.fixture(scope="module")
def judged(database: Database, market: Market):
    return evaluate(database, [SIZE, factors()["reversal_21"]], HORIZONS)


def test_the_ic_is_that_of_the_slow_definition(judged, market: Market) -> None:
    prices = market.tables["prices"].pivot(index="session", columns="company_id", values="close")
    total = _total_returns(market, prices)
    wealth = (1 + total.fillna(0)).cumprod().where(prices.notna())
    filled = wealth.ffill()
    evaluation = judged[0].evaluations[0]
    assert evaluation.judged.n > 20
    for day, ic in zip(evaluation.judged.dates.tolist(), evaluation.judged.ic, strict=True):
        at = prices.index.get_loc(day)
        score = _raw_level(market, prices, day) * -1
        forward = filled.iloc[at + 22] / wealth.iloc[at + 1] - 1
        inside = _members(market, day)
        both = pd.DataFrame({0: score, 1: forward}).reindex(inside).dropna()
        assert ic == pytest.approx(stats.spearmanr(both[0], both[1]).statistic, abs=1e-9), day


def test_a_small_universe_is_thin_and_nothing_passes(judged) -> None:
    for judgement in judged:
        assert judgement.m == 400 and judgement.verdict is not None
        assert judgement.verdict.status != "approved"
        assert judgement.verdict.names < 50
        assert [e.look_no for e in judgement.evaluations] == [1, 1]
        assert [e.judged.horizon for e in judgement.evaluations] == [21, 63]


def test_again_is_counted_and_is_no_look(database: Database, judged) -> None:
    (again,) = evaluate(database, [SIZE], HORIZONS)
    assert [e.look_no for e in again.evaluations] == [None, None]
    assert again.declaration_no == judged[0].declaration_no
    first, second = judged[0].evaluations[0].judged, again.evaluations[0].judged
    assert (first.ic == second.ic).all()
    assert ledger_audit.verify(database) == []


def test_another_name_is_no_new_hypothesis(database: Database, judged) -> None:
    (renamed,) = evaluate(database, [replace(SIZE, name="smallness")], HORIZONS)
    assert [e.same_as for e in renamed.evaluations] == ["size", "size"] or renamed.evaluations[0].judged.names_mean < 50


def test_a_chosen_window_is_description(database: Database, judged) -> None:
    (window,) = evaluate(database, [SIZE], (21,), start=date(2017, 1, 1), end=date(2018, 6, 30))
    dates = window.evaluations[0].judged.dates
    assert dates[0] >= np.datetime64("2017-01-01") and dates[-1] <= np.datetime64("2018-06-30")
    assert window.evaluations[0].look_no is None
    with database.read() as connection:
        kinds = connection.scalars(text("SELECT kind FROM factor_evaluations ORDER BY evaluation_id DESC LIMIT 1"))
        assert kinds.all() == ["description"]


def test_a_condition_makes_another_signal_judged_where_it_holds(database: Database, judged) -> None:
    (declared,) = evaluate(database, [SIZE], (21,), condition=even)
    assert declared.signal == "size@SP500/none/even"
    assert declared.declaration_no != judged[0].declaration_no
    assert declared.evaluations[0].look_no == 1
    months = declared.evaluations[0].judged.dates.astype("datetime64[M]").astype(int) % 12 + 1
    assert (months % 2 == 0).all() and len(months) > 10


def test_another_neutralisation_is_another_signal(database: Database, judged) -> None:
    (other,) = evaluate(database, [SIZE], (21,), neutralise="beta")
    assert other.signal == "size@SP500/beta" and other.evaluations[0].look_no == 1


def test_the_priced_universe_is_labelled_survivorship(database: Database, market: Market) -> None:
    (priced,) = evaluate(database, [SIZE], (21,), universe="priced")
    assert priced.evaluations[0].judged.coverage_mean is None
    assert priced.signal == "size@priced/none"


def test_an_unknown_universe_is_refused(database: Database, market: Market) -> None:
    with pytest.raises(InputError, match="nobody is in it"):
        evaluate(database, [SIZE], (21,), universe="NOWHERE")


def test_reproduce_to_the_last_digit_or_say_what_changed(database: Database, judged) -> None:
    evaluation = judged[0].evaluations[1]
    same = reproduce(database, evaluation.evaluation_id, {"size": SIZE})
    assert same.reproduced and not same.changed, str(same)
    other = reproduce(database, evaluation.evaluation_id, {"size": replace(SIZE, params={"window": 2})})
    assert other.reproduced and other.changed == ("its parameters",)
    worse = reproduce(database, evaluation.evaluation_id, {"size": replace(SIZE, compute=noisy)})
    assert not worse.reproduced and "figures differ" in str(worse)
    with pytest.raises(InputError, match="not at hand"):
        reproduce(database, evaluation.evaluation_id, {})
    with pytest.raises(InputError, match="unknown"):
        reproduce(database, 10**6, {})


def test_register_publishes_once_and_again_changes_nothing(database: Database, judged) -> None:
    chosen = [SIZE, factors()["reversal_21"]]
    first = registry.register(database, chosen, HORIZONS)
    assert all(r.published > 300 and r.written for r in first)
    again = registry.register(database, chosen, HORIZONS)
    assert all(r.published == 0 and not r.written for r in again)
    row = registry.show(database, "size")
    assert set(row.regime_profile["horizons"]) == {"21", "63"}
    assert row.status in ("rejected", "candidate") and row.detectable_ic > 0
    with database.read() as connection:
        kept = connection.execute(text("SELECT name, status_before FROM signal_registry_history")).all()
        late = connection.scalar(
            text(
                "SELECT count(*) FROM factor_values v JOIN sessions s ON s.session = v.as_of "
                "WHERE v.known_at <> s.closes_at"
            )
        )
    assert sorted(kept) == [("reversal_21", None), ("size", None)]
    assert late == 0
    assert registry.verdicts(database) == []


def test_other_scores_are_another_version(database: Database, judged) -> None:
    changed = Factor("size", "1", ("prices.close",), "none", double)
    with pytest.raises(RefusedError, match="give it a new version"):
        registry.register(database, [changed], (21,))


def double(data, day, params):
    return 2 * size(data, day, params)


def test_an_approval_cannot_be_forged_in_the_registry(database: Database, judged) -> None:
    for statement in (
        "UPDATE signal_registry SET status = 'approved'",
        "INSERT INTO signal_registry SELECT 'forged', factor, version, type, tier, 'approved', verdict, reason, "
        "declaration_no, judgement_id, evaluation_id, t_stat, hlz_passes, m, detectable_ic, coverage, retest_after_n, "
        "regime_profile FROM signal_registry LIMIT 1",
    ):
        with pytest.raises(DBAPIError, match="cannot be approved"), database.write() as connection:
            connection.execute(text(statement))
    with pytest.raises(DBAPIError, match=r"insert-only|permission denied"), database.write() as connection:
        connection.execute(text("DELETE FROM signal_registry"))


def test_what_was_loaded_later_does_not_change_a_replay(database: Database, market: Market, judged) -> None:
    prices = market.tables["prices"]
    month = prices["session"].between(market.day(430), market.day(455)) & prices["company_id"].isin(
        market.companies[:9]
    )
    wrong = prices[month].assign(known_at=pd.Timestamp.now(tz="UTC"), close=prices["close"] * 3)
    run = begin_run(database, "test")
    rows = pa.Table.from_pandas(wrong, preserve_index=False)
    assert load(database, run, "prices", rows, source="test", file=None, known_at_given=True).inserted == len(wrong)
    then = judged[0].evaluations[0]
    assert reproduce(database, then.evaluation_id, {"size": SIZE}).reproduced
    (now,) = evaluate(database, [SIZE], HORIZONS)
    assert not np.array_equal(now.evaluations[0].judged.ic, then.judged.ic)


def _raw_level(market: Market, prices: pd.DataFrame, day: date) -> pd.Series:
    """Closes on the basis of `day`: the split is known from its day on, and no close after it is read."""
    return prices.loc[day]


def _members(market: Market, day: date) -> list[int]:
    spells = market.known("universe_members", day)
    spells = spells.sort_values("known_at").groupby(["company_id", "valid_from"]).last().reset_index()
    holds = (spells["valid_from"] <= day) & (spells["valid_to"].isna() | (spells["valid_to"] > day))
    return spells.loc[holds, "company_id"].tolist()


def _total_returns(market: Market, prices: pd.DataFrame) -> pd.DataFrame:
    actions = market.tables["corporate_actions"]
    split = actions[actions["kind"] == "split"].pivot(index="ex_date", columns="company_id", values="value")
    paid = actions[actions["kind"] == "dividend"].pivot(index="ex_date", columns="company_id", values="value")
    split = split.reindex(index=prices.index, columns=prices.columns).fillna(1.0)
    paid = paid.reindex(index=prices.index, columns=prices.columns).fillna(0.0)
    out = pd.DataFrame(np.nan, prices.index, prices.columns)
    for company in prices:
        last = shares = cash = np.nan
        for day, close in prices[company].items():
            cash += paid.at[day, company]
            shares *= split.at[day, company]
            if np.isfinite(close):
                out.at[day, company] = (close * shares + cash) / last - 1
                last, shares, cash = close, 1.0, 0.0
    return out
