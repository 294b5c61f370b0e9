"""Specs run on a simulated market in a real database, against a slow path that reads the tables by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import plain
import pytest
from simulated import CONDITIONAL, NEUTRAL, REJECTED, STANDING, TWIN, simulated, spec, written
from sqlalchemy import text

from nexus.backtest.account import Rules
from nexus.backtest.approvals import year_ends
from nexus.backtest.chosen import choose
from nexus.backtest.compare import compare
from nexus.backtest.costs import Costs
from nexus.backtest.engine import Plan
from nexus.backtest.market import Events, Market
from nexus.backtest.read import read
from nexus.backtest.reproduce import reproduce
from nexus.backtest.run import Ran, run
from nexus.backtest.spec import Spec
from nexus.backtest.summary import Trials
from nexus.db import backtests, tradable
from nexus.db.actions import DELISTING, DIVIDEND, SPLIT
from nexus.db.declared import declared
from nexus.db.engine import Database
from nexus.errors import InputError, NexusError, RefusedError
from nexus.ingest.run import ingest_frames
from nexus.maths import performance
from nexus.maths.types import Floats
from nexus.signals.evaluate import needed, score
from nexus.signals.ground import Choice
from nexus.signals.survey import ground, open_panel
from nexus.signals.sweep import trial
from nexus.signals.user import from_file

WHY = "a test looks at what does not stand"
COSTS = {"commission_bps": 1.0, "half_spread_bps": 3.0, "impact": 0, "borrow_bps": 40.0}
FREE = {"commission_bps": 0, "half_spread_bps": 0, "impact": 0, "borrow_bps": 0}


@pytest.fixture(scope="module")
def market(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with simulated(database, tmp_path_factory.mktemp("home")) as filled:
        yield filled


@pytest.fixture(scope="module")
def fixed(market: Database) -> Ran:
    return run(market, spec(), mode="fixed")


@pytest.fixture(scope="module")
def approved(market: Database) -> Ran:
    return run(market, spec())


class TestAgainstTheTables:
    """The whole of a run, done again from SQL by the plain path."""

    def test_equity_and_trades(self, market: Database) -> None:
        wanted = spec(start="2006-03-01", end="2010-11-30", costs=COSTS, shares="whole")
        ran = run(market, wanted, mode="fixed")
        sessions, companies, tape = market_of(market)
        scores, members = scores_of(market, "P1", sessions, companies)
        stop = int(np.searchsorted(sessions, np.datetime64("2010-11-30"), "right"))
        months = sessions.astype("datetime64[M]")
        rows = np.flatnonzero(months[:-1] != months[1:])
        rows = rows[(sessions[rows] >= np.datetime64("2006-03-01")) & (rows < stop)]
        weights = np.zeros((len(rows), len(companies)))
        for number, row in enumerate(rows):
            own = np.where(members[row], scores[row], np.nan)
            names = np.flatnonzero(np.isfinite(own))
            held = len(names) // 5
            order = names[np.argsort(own[names])]
            weights[number, order[-held:]], weights[number, order[:held]] = 0.5 / held, -0.5 / held
        rules = Rules(Costs(1e-4, 3e-4, 0.0, 40e-4), whole=True)
        diary = plain.replay(tape, Plan(rows, weights), rules, 1e7)
        equity = np.array([one.equity for one in diary.accounts])[: stop - rows[0]]
        with market.read() as connection:
            curve, trades = backtests.curve(connection, ran.backtest_id), backtests.trades(connection, ran.backtest_id)
        assert curve.sessions.tolist() == sessions[rows[0] : stop].tolist()
        np.testing.assert_allclose(curve.equity, equity, atol=0.005, rtol=0)
        fills = [
            (sessions[rows[0] + 1 + k].item(), int(companies[column]), float(shares), float(price))
            for k, evening in enumerate(diary.evenings[: stop - rows[0] - 1])
            for column, shares, price in zip(
                evening.fills.column, evening.fills.shares, evening.fills.price, strict=True
            )
        ]
        told = zip(trades.sessions.tolist(), trades.companies.tolist(), trades.shares, trades.price, strict=True)
        assert [(a, b, c, d) for a, b, c, d in told] == fills
        assert len(fills) > 1000


def market_of(database: Database) -> tuple[Any, Any, Market]:
    """Sessions, companies and the market, from the rows of the tables."""
    with database.read() as connection:
        bars = connection.execute(text("SELECT company_id, session, open, close, volume FROM prices")).all()
        actions = connection.execute(text("SELECT company_id, ex_date, kind, value FROM corporate_actions")).all()
        days = connection.scalars(
            text("SELECT session FROM sessions WHERE session BETWEEN (SELECT min(session) FROM prices) "
                 "AND (SELECT max(session) FROM prices) ORDER BY 1")
        ).all()  # fmt: skip
    ids = sorted({bar.company_id for bar in bars})
    at, of = {day: k for k, day in enumerate(days)}, {company: k for k, company in enumerate(ids)}
    arrays = {name: np.full((len(days), len(ids)), np.nan) for name in ("open", "close", "volume")}
    for company, day, *values in bars:
        for array, value in zip(arrays.values(), values, strict=True):
            array[at[day], of[company]] = value
    kinds = {"dividend": DIVIDEND, "split": SPLIT, "delisting": DELISTING}
    rows = [(min(k for k, day in enumerate(days) if day >= when), of[company], kinds[kind], value)
            for company, when, kind, value in actions if company in of and when <= days[-1]]  # fmt: skip
    told = {column for _, column, kind, _ in rows if kind == DELISTING}
    for column in range(len(ids)):
        last = int(np.flatnonzero(np.isfinite(arrays["close"][:, column]))[-1])
        if last < len(days) - 6 and column not in told:
            rows.append((last + 1, column, DELISTING, 0.0))
    events = Events.of(*(np.array(part) for part in zip(*rows, strict=True)))
    return np.array(days, "datetime64[D]"), np.array(ids), Market(**arrays, events=events)


def scores_of(database: Database, factor: str, sessions: Any, companies: Any) -> tuple[Floats, Any]:
    """Published scores, and the members as known at each close."""
    scores = np.full((len(sessions), len(companies)), np.nan)
    members = np.zeros(scores.shape, bool)
    of = {int(company): k for k, company in enumerate(companies)}
    at = {day: k for k, day in enumerate(sessions.tolist())}
    with database.read() as connection:
        for company, day, value in connection.execute(
            text("SELECT company_id, as_of, score FROM factor_values WHERE factor = :factor"), {"factor": factor}
        ):
            if day in at:
                scores[at[day], of[company]] = value
        closes = dict(connection.execute(text("SELECT session, closes_at FROM sessions")).all())
        spells = connection.execute(
            text("SELECT company_id, valid_from, valid_to, known_at FROM universe_members ORDER BY known_at")
        ).all()
    for day, row in at.items():
        ends: dict[tuple[int, date], date | None] = {}
        for company, begin, end, known_at in spells:
            if known_at <= closes[day]:
                ends[company, begin] = end
        for (company, begin), end in ends.items():
            if begin <= day and (end is None or day < end) and company in of:
                members[row, of[company]] = True
    return scores, members


class TestTheGate:
    def test_a_signal_that_stands_is_recorded_with_its_evaluation(self, market: Database, fixed: Ran) -> None:
        with market.read() as connection:
            found = backtests.read(connection, fixed.backtest_id)
            (own,) = tradable.signals(connection, [STANDING])
        (traded,) = found.signals
        assert (traded.evaluation_id, traded.factor, traded.version) == (own.evaluation_id, own.factor, own.version)
        assert not found.exploratory and found.backtest.selection_cut == own.approved_at.date()
        figures = found.backtest.figures
        assert figures["out_of_sample"] is None  # the approval is younger than the market
        assert figures["in_sample"]["sharpe"] == pytest.approx(figures["sharpe"])
        assert figures["signals"][STANDING]["status"] == "approved"

    def test_a_rejected_signal_is_refused_before_anything_is_written(self, market: Database) -> None:
        before = written(market)
        with pytest.raises(RefusedError, match=rf"signal {REJECTED} is rejected.*--exploratory"):
            run(market, spec(STANDING, REJECTED))
        assert written(market) == before

    def test_exploratory_says_why_and_has_no_cut(self, market: Database) -> None:
        ran = run(market, spec(REJECTED), exploratory_reason=WHY)
        with market.read() as connection:
            found = backtests.read(connection, ran.backtest_id)
        assert found.exploratory and found.backtest.reason == WHY and found.backtest.mode == "fixed"
        assert (
            found.backtest.selection_cut is None and found.backtest.figures["signals"][REJECTED]["status"] == "rejected"
        )

    def test_the_gate_is_asked_again_when_it_is_recorded(self, market: Database, fixed: Ran) -> None:
        with market.read() as connection:
            (rejected,) = tradable.signals(connection, [REJECTED], exploratory=True)
        forged = backtests.Traded(rejected.evaluation_id, STANDING, rejected.factor, rejected.version, 1.0)
        before = written(market)
        with pytest.raises(RefusedError, match=f"signal {REJECTED}"), market.write() as connection:
            backtests.record(connection, fixed.backtest, [forged], fixed.account.curve, fixed.account.trades)
        assert written(market) == before


class TestAsApproved:
    def test_only_years_after_an_approval_are_traded(self, approved: Ran, fixed: Ran) -> None:
        standing = approved.backtest.figures["approved"]
        years = {int(year) for year, names in standing.items() if names}
        assert years and min(years) > 2006 and len(years) < len(standing)
        plan = approved.account.plan
        sessions = approved.account.found.inputs.sessions
        held = plan.weights.any(axis=1)
        filled = sessions[plan.rows + 1].astype("datetime64[Y]").astype(int) + 1970  # December decides for January
        np.testing.assert_array_equal(held, np.isin(filled, list(years)))
        own = fixed.account.found.inputs.companies
        kept = np.isin(approved.account.found.inputs.companies, own)
        np.testing.assert_allclose(plan.weights[:, kept][held], fixed.account.plan.weights[held], atol=1e-12)
        assert approved.backtest.selection_cut is None and "year" in approved.backtest.figures["notes"][0]

    def test_each_year_end_is_an_evaluation_as_of_then(self, market: Database, approved: Ran) -> None:
        """Facts of a panel opened at that time, scores computed by the factor, the first look judged as a first."""
        assert approved.account.approvals is not None
        factor = from_file(simulated_file())[STANDING]
        days = year_ends(approved.account.found.inputs.sessions, date(2010, 11, 30))
        for day, found in zip(days, approved.account.approvals.decisions[STANDING], strict=True):
            with market.read() as connection:
                close = connection.scalar(text("SELECT closes_at FROM sessions WHERE session = :day"), {"day": day})
            choice = Choice(as_of=close)
            panel = open_panel(market, needed([factor], "SIM500"), choice)
            made = ground(panel, "SIM500", [21, 63, 126], "monthly", choice)
            judged = trial(next(score(panel, made, [factor], [STANDING])), made, [21, 63, 126]).judged
            assert found is not None
            wanted = next(one for one in judged if one.horizon == found.look.horizon)
            assert (found.look.gate_t, found.look.gate_p) == (wanted.gate_t, wanted.gate_p)
            assert (found.look.coverage, found.look.stable) == (wanted.coverage_mean, wanted.stable)

    def test_what_never_stood_is_cash_and_says_so(self, market: Database) -> None:
        ran = run(market, spec(REJECTED, "P2"), mode="as_approved", exploratory_reason=WHY)
        curve = ran.account.curve
        assert (curve.equity == 1e7).all() and len(ran.account.trades.sessions) == 0
        figures = ran.backtest.figures
        assert figures["sharpe"] is None and figures["capacity"] is None
        assert any("cash throughout" in note for note in figures["notes"])

    def test_the_replay_counts_nothing(self, market: Database) -> None:
        count = text("SELECT count(*) FROM factor_evaluations")
        with market.read() as connection:
            before = connection.scalar(count)
        run(market, spec(), mode="as_approved")
        with market.read() as connection:
            assert connection.scalar(count) == before


def simulated_file() -> Any:
    from simulated import PLANTED

    return PLANTED


class TestFigures:
    def test_the_deflated_sharpe_counts_ledger_and_backtests(self, market: Database) -> None:
        with market.read() as connection:
            before, sharpes = backtests.variants(connection), tradable.trial_sharpes(connection)
        tried = [spec(portfolio={"quantiles": n}) for n in (4, 8, 10)]
        ran = run(market, spec(), mode="fixed", variants=tried)
        found = ran.backtest.figures
        assert found["trials"]["backtests"] == before + 4 and ran.backtest.variants == 4
        assert found["trials"]["number"] == max(400, len(sharpes) + before + 4)
        net = ran.account.result.returns
        assert found["deflated_sharpe"] == pytest.approx(
            performance.deflated_sharpe(
                float(net.mean() / net.std(ddof=1)), len(net), ran.backtest.net.skew, ran.backtest.net.kurtosis,
                float(np.var(sharpes, ddof=1)) / 21, found["trials"]["number"],
            )
        )  # fmt: skip
        curves = [run(market, each, mode="fixed").account.result.returns for each in tried]
        assert found["pbo"] == performance.pbo(np.column_stack([net, *curves]))

    def test_trials_are_at_least_four_hundred(self) -> None:
        assert Trials(np.ones(3), 2).number == 400 and Trials(np.ones(500), 2).number == 502

    def test_companies_add_up_to_the_account(self, fixed: Ran) -> None:
        sums = np.array(list(fixed.backtest.figures["by_company"].values())).sum(axis=0)
        result = fixed.account.result
        assert sums[0] == pytest.approx(result.pnl.sum(), abs=0.01)
        assert sums[1] == pytest.approx(result.costs[:, :3].sum(), abs=0.01)

    def test_capacity_halves_the_sharpe(self, fixed: Ran) -> None:
        figures = fixed.backtest.figures
        capitals, sharpes = zip(*figures["capacity_curve"], strict=True)
        assert list(sharpes) == sorted(sharpes, reverse=True)
        half = np.interp(np.log(figures["capacity"]), np.log(capitals), sharpes)
        assert half == pytest.approx(sharpes[0] / 2, rel=0.2)

    def test_a_signal_against_its_sign_is_noted(self, market: Database) -> None:
        upside_down = spec(signals=[{"name": STANDING, "weight": -1.0}])
        assert any(
            "against the sign" in note for note in run(market, upside_down, mode="fixed").backtest.figures["notes"]
        )


class TestSignals:
    def test_a_neutralised_signal_trades_the_scores_that_were_judged(self, market: Database) -> None:
        factor = from_file(simulated_file())[NEUTRAL]
        ran = run(market, spec(NEUTRAL), exploratory_reason=WHY)
        panel = open_panel(market, needed([factor], "SIM500"), Choice())
        made = ground(panel, "SIM500", [21], "monthly", Choice())
        scored = next(score(panel, made, [factor], [NEUTRAL])).scores
        inputs = ran.account.found.inputs
        chosen = np.isin(made.labels.dates, inputs.sessions[inputs.rows])
        columns = np.searchsorted(panel.companies, inputs.companies)
        np.testing.assert_array_equal(inputs.scores[NEUTRAL], scored[chosen][:, columns])

    def test_where_a_condition_does_not_hold_is_cash(self, market: Database) -> None:
        ran = run(market, spec(CONDITIONAL), exploratory_reason=WHY)
        inputs = ran.account.found.inputs
        on = inputs.on[CONDITIONAL]
        assert 0 < on.sum() < len(on)
        np.testing.assert_array_equal(ran.account.plan.weights.any(axis=1), on)

    def test_two_names_of_one_hypothesis_are_refused(self, market: Database) -> None:
        with pytest.raises(InputError, match="one hypothesis"):
            run(market, spec(STANDING, TWIN))

    def test_a_turned_twin_trades_its_own_scores(self, market: Database, fixed: Ran) -> None:
        turned = run(market, spec(signals=[{"name": TWIN, "weight": -1.0}]), mode="fixed")
        np.testing.assert_allclose(turned.account.result.equity, fixed.account.result.equity, atol=0.005)

    @pytest.mark.parametrize("combine", ["ic", "ridge"])
    def test_learnt_composites_know_what_views_knew(self, market: Database, combine: str) -> None:
        wanted = spec(STANDING, REJECTED, portfolio={"quantiles": 5, "combine": combine})
        found = run(market, wanted, exploratory_reason=WHY).account.found
        inputs, sessions, rows = found.inputs, found.inputs.sessions, found.inputs.rows
        assert inputs.earned is not None and sessions[rows[0]] < np.datetime64("2005-03-01")
        panel, k = found.panel, len(rows) // 2
        growth = panel.ahead.total_return[rows[k] + 2 : rows[k + 1] + 2]
        columns = np.searchsorted(panel.companies, inputs.companies)
        wealth = np.prod(1 + np.nan_to_num(growth), axis=0)[columns] - 1
        there = np.isfinite(inputs.earned[k])
        np.testing.assert_allclose(inputs.earned[k][there], wealth[there], rtol=1e-9, atol=1e-12)
        assert there.sum() > 50 and np.isnan(inputs.earned[-2:]).all()


class TestReproduce:
    def test_to_the_cent_also_after_later_loads(self, market: Database, approved: Ran, fixed: Ran) -> None:
        with market.read() as connection:
            ticker, day = connection.execute(
                text("SELECT c.ticker, p.session FROM prices p JOIN companies c USING (company_id) "
                     "WHERE p.session = '2008-06-03' LIMIT 1")
            ).one()  # fmt: skip
        import pandas as pd

        restated = pd.DataFrame({"ticker": [ticker], "date": [day], "open": [7.0], "high": [7.0], "low": [7.0],
                                 "close": [7.0], "volume": [1e6]})  # fmt: skip
        assert sum(one.inserted for one in ingest_frames(market, {"prices": restated}, "simulated-5")) == 1
        for ran in (approved, fixed):
            found = reproduce(market, ran.backtest_id)
            assert found.reproduced and "to the cent" in str(found), str(found)
            assert found.trades == len(ran.account.trades.sessions)

    def test_what_was_made_up_does_not_reproduce(self, market: Database, fixed: Ran) -> None:
        account = fixed.account
        curve = replace(
            account.curve, equity=account.curve.equity + np.where(np.arange(len(account.curve.equity)) == 9, 0.01, 0)
        )
        trades = replace(account.trades, price=account.trades.price * 1.0001)
        with market.read() as connection:
            signals = backtests.read(connection, fixed.backtest_id).signals
        with market.write() as connection:
            number = backtests.record(connection, fixed.backtest, signals, curve, trades)
        found = reproduce(market, number)
        assert (
            not found.reproduced
            and "equity differs on 1 sessions" in str(found)
            and "price of the trades" in str(found)
        )

    def test_a_row_of_another_author_says_so(self, market: Database, fixed: Ran) -> None:
        with market.read() as connection:
            signals = backtests.read(connection, fixed.backtest_id).signals
        with market.write() as connection:
            other = replace(fixed.backtest, figures={})
            number = backtests.record(connection, other, signals, fixed.account.curve, fixed.account.trades)
        with pytest.raises(InputError, match="only its author"):
            reproduce(market, number)


def test_runs_are_compared(market: Database, approved: Ran, fixed: Ran) -> None:
    found = compare(market, [fixed.backtest_id, approved.backtest_id])
    assert dict(found.differences) == {"mode": ["fixed", "as_approved"]}
    one, two = fixed.account.result.returns, approved.account.result.returns
    assert found.correlation[0, 1] == pytest.approx(np.corrcoef(one, two)[0, 1])
    with pytest.raises(InputError, match="two different"):
        compare(market, [fixed.backtest_id, fixed.backtest_id])


BAD: dict[str, tuple[Any, str]] = {
    "unknown signal": ({"signals": [{"name": "P_1"}]}, "did you mean P1"),
    "empty universe": ({"universe": "SIM600"}, "SIM600"),
    "dates before the market": ({"start": "1999-01-01", "end": "2000-01-01"}, "no prices between"),
    "dates after the market": ({"start": "2031-01-01", "end": "2032-01-01"}, "no prices between"),
    "dates too near": ({"start": "2008-06-02", "end": "2008-06-20"}, "no monthly decision"),
    "days without scores": ({"rebalance": "weekly"}, "no published scores"),
    "no session": ({"rebalance": ["2008-06-01"]}, "not a session"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("mode", ["fixed", "as_approved"])
def test_bad_input_is_an_error_before_anything_is_written(market: Database, case: str, mode: Any) -> None:
    changes, said = BAD[case]
    before = written(market)
    with pytest.raises(NexusError, match=said):
        run(market, spec(**changes), mode=mode)
    assert written(market) == before


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_empty_reason_is_none(market: Database, reason: str) -> None:
    with pytest.raises(InputError, match="says why"):
        run(market, spec(), exploratory_reason=reason)


@pytest.mark.parametrize(
    ("variant", "said"),
    [({"end": "2010-10-29"}, "end"), ({"portfolio": {"combine": "ic"}}, "rank"),
     ({"signals": [{"name": "P2"}]}, "signals"), ({"portfolio": {"neutral": ["beta"]}}, "neutral")],
)  # fmt: skip
def test_variants_stand_on_the_data_of_the_run(market: Database, variant: dict[str, Any], said: str) -> None:
    before = written(market)
    with pytest.raises(InputError, match=said):
        run(market, spec(), mode="fixed", variants=[spec(**variant)])
    assert written(market) == before


def test_who_does_not_trade_is_left_out(market: Database) -> None:
    wanted = spec()
    inputs = read(market, wanted, choose(market, wanted, None).declared, judged=False).inputs
    close, volume = inputs.market.close, inputs.market.volume
    for decision, row in enumerate(inputs.rows):
        for column in np.flatnonzero(inputs.members[decision]):
            assert np.isfinite(close[max(row - 5, 0) : row + 1, column]).any()
            assert np.nansum(volume[: row + 1, column]) > 0


def test_declarations_are_read_with_their_horizons(market: Database) -> None:
    with market.read() as connection:
        (one,) = tradable.signals(connection, [CONDITIONAL], exploratory=True)
        found = declared(connection, [one.verdict.declaration_no])[one.verdict.declaration_no]
    assert (found.factor, found.condition, found.horizons) == (CONDITIONAL, "stress", (21, 63, 126))
    assert (found.rebalance, found.universe, found.neutralise, found.canary) == ("monthly", "SIM500", "none", None)


def test_free_trading_has_no_costs(market: Database) -> None:
    ran = run(market, Spec.of(spec().model_dump() | {"costs": FREE}), mode="fixed")
    figures = ran.backtest.figures
    assert sum(figures["costs"].values()) == 0 and figures["gross_sharpe"] == pytest.approx(figures["sharpe"], abs=0.02)


def test_a_run_too_short_to_tell_is_refused(market: Database) -> None:
    before = written(market)
    with pytest.raises(InputError, match="1 session after the first decision"):
        run(market, spec(start="2008-06-02", end="2008-07-01"), mode="fixed")
    assert written(market) == before


def test_a_score_that_is_no_number_is_named(market: Database) -> None:
    """The last test: what is published stays."""
    unscored = text(
        "SELECT min(company_id) FROM prices p WHERE NOT EXISTS (SELECT FROM factor_values v "
        "WHERE v.factor = 'P2' AND v.as_of = :as_of AND v.company_id = p.company_id)"
    )
    with market.write() as connection:
        row = connection.execute(
            text("SELECT * FROM factor_values WHERE factor = 'P2' AND as_of > '2008-01-01' LIMIT 1")
        )
        values = dict(row.one()._mapping)
        values |= {"score": "NaN", "company_id": connection.scalar(unscored, {"as_of": values["as_of"]})}
        places = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO factor_values ({', '.join(values)}) VALUES ({places})"), values)
    before = written(market)
    with pytest.raises(InputError, match="score nan"):
        run(market, spec("P2"), exploratory_reason=WHY)
    assert written(market) == before
