"""The method tells planted truths from noise: the table of truths on a few seeded markets.

`python -m research.truths --full` asks the same of hundreds. The seeds are fixed, so nothing here is left to luck; the
bounds are exact binomial ones, which an intact method would miss with one draw of seeds in 200.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nexus.db.engine import Database
from nexus.db.ledger import burden
from nexus.ingest.simulate.truths import HORIZONS
from nexus.signals.decide import LEVEL
from research.truths import ledgers, noise
from research.truths.rows import ROWS, Case, stated_power
from research.truths.shares import Share

SEEDS = range(6)
FACTORS = 96


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [Case.of(seed) for seed in SEEDS]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_holds_on_every_market(cases: list[Case], name: str) -> None:
    row = ROWS[name]
    found = row.conclude(pd.DataFrame([row.measure(case) for case in cases]))
    assert found.holds, f"{name} must {row.must}: {found.measured}"


@pytest.mark.parametrize("name", ledgers.ROWS)
def test_a_row_holds_in_a_ledger(cases: list[Case], empty: Database, name: str) -> None:
    row = ledgers.ROWS[name]
    with ledgers.fresh(empty) as database:
        found = row.conclude(pd.DataFrame([row.measure(cases[0], database)]))
    assert found.holds, f"{name} must {row.must}: {found.measured}"


@pytest.fixture(scope="module")
def empty(server: Database):
    with ledgers.template(server) as made:
        yield made


@pytest.fixture(scope="module")
def meaningless(cases: list[Case]) -> pd.DataFrame:
    return noise.sweep(cases[1], FACTORS)


def test_noise_does_not_pass(meaningless: pd.DataFrame) -> None:
    m = burden(FACTORS * len(HORIZONS))
    assert Share(int(meaningless["passes"].sum()), FACTORS * len(HORIZONS)).at_most(LEVEL / m)


def test_noise_is_seldom_inconclusive(meaningless: pd.DataFrame) -> None:
    assert Share(int((meaningless["verdict"] == "inconclusive").sum()), FACTORS).at_most(LEVEL)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_noise_has_the_size_it_should(meaningless: pd.DataFrame, horizon: int) -> None:
    """Windows of 126 sessions overlap sixfold, and most of this noise remembers itself."""
    assert Share(int((meaningless[f"p_{horizon}"] <= LEVEL).sum()), FACTORS).is_about(LEVEL)


def test_noise_without_styles_is_called_null(meaningless: pd.DataFrame) -> None:
    quiet = meaningless[~meaningless["style"]]
    assert Share(int((quiet["verdict"] == "null").sum()), len(quiet)).at_least(0.9)


def test_stated_power_is_that_of_a_simulation() -> None:
    """Of the t of 239 independent months at mean .03 and sd .10, against the threshold at 400 trials."""
    drawn = np.random.default_rng(0).normal(0.03, 0.10, (20_000, 239))
    p = stats.ttest_1samp(drawn, 0, axis=1).pvalue
    assert (p * 400 <= LEVEL).mean() == pytest.approx(stated_power("P2", 239), abs=0.01)


@pytest.mark.parametrize(("hits", "n", "rate"), [(1, 1, 0.004), (10, 10, 0.58), (3, 100, 0.0), (0, 10, 0.0)])
def test_a_share_is_believed_where_its_tail_is_not_rare(hits: int, n: int, rate: float) -> None:
    share = Share(hits, n)
    above = stats.binomtest(hits, n, rate, alternative="greater").pvalue
    below = stats.binomtest(hits, n, rate, alternative="less").pvalue
    assert share.at_most(rate) == (above > 0.005)
    assert share.at_least(rate) == (below > 0.005)
    assert share.is_about(rate) == (min(above, below) > 0.005)
