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


@pytest.mark.parametrize(
    ("rate", "least"),
    [(0.99, (1, 2, 4, 5, 6, 9, 37, 194)), (0.95, (1, 2, 4, 4, 5, 8, 34, 181)), (0.9, (1, 2, 3, 4, 5, 8, 30, 168)),
     (0.77, (1, 2, 3, 4, 4, 7, 26, 138)), (0.7, (1, 2, 3, 4, 4, 7, 25, 123))],
)  # fmt: skip
def test_of_few_markets_a_share_must_be_likelier_by_its_rate_than_by_a_coin(
    rate: float, least: tuple[int, ...]
) -> None:
    for n, fewest in zip((1, 2, 4, 5, 6, 10, 40, 200), least, strict=True):
        by_the_rate, by_a_coin = stats.binom(n, rate), stats.binom(n, 0.5)
        for hits in range(n + 1):
            likelier = by_the_rate.cdf(hits) > by_a_coin.sf(hits - 1) and by_the_rate.cdf(hits) > 0.005
            assert Share(hits, n).at_least(rate) == likelier == (hits >= fewest)
            assert Share(n - hits, n).at_most(1 - rate) == likelier


def test_one_rare_p_of_two_is_about_the_level_and_none_of_one_is_not_about_three_quarters() -> None:
    assert Share(1, 2).is_about(LEVEL) and not Share(2, 2).is_about(LEVEL)
    assert Share(1, 1).is_about(0.77) and not Share(0, 1).is_about(0.77)


WRONG = {
    "P1": [{"passes": 0}], "P2": [{"passes": 0}], "P3": [{"null": 1}, {"p": np.nan}], "P4": [{"at 126 only": 0}],
    "D": [{"passes": 1}, {"declining": 0}], "R": [{"undeclared": 1}, {"declared": 0}],
    "B": [{"passes": 1}, {"sd left": 0.6}, {"sd left": np.nan}],
    "S": [{"all": 0.01}, {"alive": np.nan}, {"significant": 0}, {"alive approved": 1}],
    "P5": [{"same": 0}, {"verdict": 0}, {"looks": 6}], "P6": [{"named": 0}, {"other": 0}, {"looks": 3}],
}  # fmt: skip
RIGHT = {
    **{name: {"p": 1e-9, "passes": 1, "null": 0, "at 126 only": 1} for name in ("P1", "P2", "P3", "P4")},
    "D": {"passes": 0, "declining": 1}, "R": {"undeclared": 0, "declared": 1, "months": 58},
    "B": {"passes": 0, "sd left": 0.4}, "S": {"all": -0.03, "alive": 0.01, "significant": 1, "alive approved": 0},
    "P5": {"same": 1, "verdict": 1, "looks": 3}, "P6": {"named": 1, "other": 1, "looks": 63},
}  # fmt: skip


@pytest.mark.parametrize("markets", [1, 2, 4])
@pytest.mark.parametrize("name", [*ROWS, *ledgers.ROWS])
def test_a_row_fails_where_its_figures_are_wrong_on_every_market(name: str, markets: int) -> None:
    row = {**ROWS, **ledgers.ROWS}[name]
    assert row.conclude(pd.DataFrame([RIGHT[name]] * markets)).holds
    for wrong in WRONG[name]:
        assert not row.conclude(pd.DataFrame([{**RIGHT[name], **wrong}] * markets)).holds, wrong


def test_noise_that_was_not_judged_does_not_hold() -> None:
    p = {f"p_{horizon}": 0.5 for horizon in HORIZONS}
    quiet = pd.DataFrame([{"seed": seed, "verdict": "null", "passes": 0, **p} for seed in (0, 0, 1, 1)])
    assert noise.outcome(quiet).holds
    assert not noise.outcome(quiet.assign(p_21=np.nan)).holds
    assert not noise.outcome(quiet.assign(verdict="inconclusive")).holds
    assert not noise.outcome(quiet.assign(passes=2)).holds
