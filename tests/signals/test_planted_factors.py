"""The file of planted truths, on a small simulated market in a database."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.ingest.run import ingest_frames
from nexus.ingest.simulate import simulate, tables
from nexus.ingest.simulate.market import Market
from nexus.maths.ic import rank_ic
from nexus.settings import settings
from nexus.signals.exposures import exposures
from nexus.signals.factor import Factor
from nexus.signals.scores import Scores, compute_scores, inputs_of, neutralised
from nexus.signals.user import from_file

FILE = Path(__file__).parents[2] / "research" / "planted_factors.py"
FACTORS = from_file(FILE)


@pytest.fixture(scope="module")
def simulated(database: Database) -> Market:
    market = simulate(seed=3, sessions=700, listed=60)
    ingest_frames(database, tables(market), "simulated-3")
    return market


@pytest.fixture(scope="module")
def days(simulated: Market) -> list[date]:
    return simulated.truths.dates.tolist()


@pytest.fixture(scope="module")
def panel(database: Database, simulated: Market) -> Panel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_MARKET", "SIMX")
        settings.cache_clear()
        inputs = inputs_of(FACTORS.values(), "SIM500")
        dates = simulated.economy.time.dates
        yield Panel.open(database, start=dates[0].item(), end=dates[-1].item(), inputs=inputs)
    settings.cache_clear()


@pytest.fixture(scope="module")
def scored(panel: Panel, days: list[date]) -> dict[str, Scores]:
    return {name: compute_scores(factor, panel, days, "SIM500") for name, factor in FACTORS.items()}


@pytest.mark.parametrize("name", ["P1", "P2", "P3", "P4", "D", "R", "S", "B"])
def test_scores_are_those_that_were_planted(panel: Panel, days: list[date], simulated: Market, name: str) -> None:
    """The database numbers companies as it likes: date by date the sorted scores are compared."""
    everyone = np.ones((len(days), len(panel.companies)), bool)
    found = compute_scores(FACTORS[name], panel, days, everyone).values
    for row, planted in zip(found, simulated.truths.scores[name], strict=True):
        np.testing.assert_allclose(np.sort(row[np.isfinite(row)]), np.sort(planted[np.isfinite(planted)]))
    assert np.isfinite(found[-1]).sum() > 50


def test_transformations_keep_the_order_and_near_duplicates_nearly(scored: dict[str, Scores]) -> None:
    p1 = scored["P1"].values
    for how, sign in (("minus", -1), ("log", 1), ("rank", 1), ("affine", 1)):
        np.testing.assert_allclose(rank_ic(scored[f"P5_{how}"].values, p1), sign, atol=1e-12)
    near = [np.mean(rank_ic(scored[f"P6_{k}"].values, p1)) for k in range(20)]
    assert min(near) > 0.85 and max(near) < 0.999
    assert len({FACTORS[f"P6_{k}"].params_hash for k in range(20)}) == 20


def test_noise_persists_as_it_says(scored: dict[str, Scores]) -> None:
    for name, persistence in (("N0", 0), ("N1", 0.9), ("N2", 0.98), ("N3", 1)):
        values = scored[name].values
        assert abs(np.mean(rank_ic(values[1:], values[:-1])) - persistence) < 0.06


def test_the_declared_condition_is_the_planted_state(scored: dict[str, Scores], simulated: Market) -> None:
    declared = scored["R_declared"]
    np.testing.assert_array_equal(declared.holds, simulated.truths.stress)
    assert 0 < declared.holds.sum() < len(declared.holds)
    np.testing.assert_array_equal(np.isfinite(declared.values).any(axis=1), declared.holds)


def test_neutralisation_takes_the_risk_out_of_b(panel: Panel, scored: dict[str, Scores]) -> None:
    known = exposures(panel, scored["B"].days)
    residual = neutralised(scored["B"], panel, known).values
    dates = np.isfinite(residual).sum(axis=1) > 40
    assert dates.sum() > 10
    for exposed, loading in ((known.beta, 0.7), (known.volatility, 0.2)):
        exposed = np.where(np.isfinite(residual), exposed, np.nan)[dates]
        assert np.mean(rank_ic(scored["B_raw"].values[dates], exposed)) > loading
        assert np.abs(rank_ic(residual[dates], exposed)).max() < 0.15


def test_each_is_a_factor_like_any_other() -> None:
    assert all(isinstance(factor, Factor) for factor in FACTORS.values())
    assert len({factor.code_hash for factor in FACTORS.values()}) == 1
