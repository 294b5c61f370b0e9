"""A simulated market all the way: ingest, panel, factors, labels, judge and ledger, to the verdicts as planted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nexus.db import ledger
from nexus.db.engine import Database
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import Market, simulate, tables
from nexus.maths.stats import residualise
from nexus.settings import settings
from nexus.signals.evaluate import evaluate
from nexus.signals.trial import Judgement
from nexus.signals.user import from_file
from research.truths.arrays import HORIZONS, Conclusion, conclude, labels_of

FACTORS = from_file(Path(__file__).parents[2] / "research" / "planted_factors.py")
P5 = [name for name in FACTORS if name.startswith("P5_")]
P6 = [name for name in FACTORS if name.startswith("P6_")]


@pytest.fixture(scope="module")
def market(database: Database) -> Market:
    made = simulate(seed=5, sessions=2520, listed=120)
    ingest_frames(database, tables(made), "simulated-5")
    return made


@pytest.fixture(scope="module")
def judged(
    database: Database, market: Market, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Judgement]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("NEXUS_UNIVERSE", "SIM500")
        patch.setenv("NEXUS_MARKET", "SIMX")
        settings.cache_clear()
        yield {one.signal: one for one in evaluate(database, FACTORS.values(), HORIZONS)}
    settings.cache_clear()


def expected(market: Market, name: str) -> Conclusion:
    """The same judged on the arrays that the market was printed from."""
    told, label = market.truths, name.removesuffix("_raw").removesuffix("_declared")
    scores = told.scores[label]
    if name == "B":
        scores = residualise(scores, np.stack([told.beta, told.volatility], axis=2))
    if name == "R_declared":
        scores = np.where(told.stress[:, None], scores, np.nan)
    return conclude(scores, labels_of(told))


@pytest.mark.parametrize("name", ["P1", "P2", "P3", "P4", "D", "R", "R_declared", "S", "B_raw", "B"])
def test_the_database_concludes_what_the_arrays_do(market: Market, judged: dict[str, Judgement], name: str) -> None:
    """But for what differs: rounded prices, a newcomer's membership known a day later, beta of simple returns."""
    wanted, found = expected(market, name), judged[name]
    assert found.verdict is not None
    assert (found.verdict.verdict, found.verdict.status, found.verdict.reason) == (
        wanted.decision.verdict, wanted.decision.status, wanted.decision.reason,
    )  # fmt: skip
    for evaluation, one in zip(found.evaluations, wanted.judged, strict=True):
        assert evaluation.judged.gate_n == one.gate_n
        assert evaluation.judged.names_mean == pytest.approx(one.names_mean, abs=0.05)
        assert evaluation.judged.gate_t == pytest.approx(one.gate_t, abs=0.15 if name == "B" else 0.05)


def test_what_is_true_is_approved(judged: dict[str, Judgement]) -> None:
    assert [e.approved for e in judged["P1"].evaluations] == [True, True, True]
    assert [e.approved for e in judged["P4"].evaluations] == [False, False, True]


def test_noise_is_not(judged: dict[str, Judgement]) -> None:
    assert {judged[f"N{number}"].verdict.status for number in range(4)}.isdisjoint({"approved", "retired"})


def test_disguises_are_one_hypothesis(judged: dict[str, Judgement]) -> None:
    first = judged["P1"]
    for name in P5:
        for evaluation, original in zip(judged[name].evaluations, first.evaluations, strict=True):
            assert evaluation.same_as == "P1" and evaluation.look_no is None
            side = -1 if name == "P5_minus" else 1
            assert evaluation.judged.gate_t == pytest.approx(side * original.judged.gate_t)
        verdict, original = judged[name].verdict, first.verdict
        assert (verdict.status, verdict.look_no, verdict.gate_p) == (original.status, 1, original.gate_p)
    assert len(P5) == 4


def test_near_duplicates_are_named_and_counted(judged: dict[str, Judgement]) -> None:
    for name in P6:
        for evaluation in judged[name].evaluations:
            assert evaluation.look_no == 1 and evaluation.same_as is None
            nearest, *others = evaluation.near
            assert nearest.signal == "P1" and 0.9 < nearest.rho < 0.999
            assert {other.signal for other in others} <= set(P6)  # the disguises are P1 again
    assert len(P6) == 20


def test_every_hypothesis_is_one_look_at_each_horizon(database: Database, judged: dict[str, Judgement]) -> None:
    with database.read() as connection:
        assert ledger.looks(connection) == (len(FACTORS) - len(P5)) * len(HORIZONS)
