"""One hypothesis under many names, and what is only near; the sift against comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nexus.maths.types import Floats
from nexus.signals.sketch import DATES, NEAR, Sketch, correlation, matches, sketch, values_hash

MONTHS, COMPANIES = 120, 90
DAYS = (np.datetime64("2010-01", "M") + np.arange(MONTHS)).astype("datetime64[D]") + 27
IDS = np.arange(1, COMPANIES + 1)


def drawn(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((MONTHS, COMPANIES))


def of(scores: Floats, days: np.ndarray = DAYS, ids: np.ndarray = IDS) -> Sketch:
    return sketch(scores, days, ids)


def ranked(scores: Floats) -> Floats:
    return stats.rankdata(scores, axis=1)


@pytest.mark.parametrize(
    ("other", "sign"),
    [
        (lambda x: -x, -1), (lambda x: 2 * x + 3, 1), (lambda x: np.exp(x), 1), (ranked, 1),
        (lambda x: np.where(np.arange(x.size).reshape(x.shape) == 77 * COMPANIES + 5, 9.0, x), 1),
    ],
    ids=["-x", "2x + 3", "exp", "rank", "one row restated"],
)  # fmt: skip
def test_the_same_in_other_clothes(other, sign: int) -> None:
    x = drawn()
    ((match,),) = matches([of(other(x))], [of(drawn(9)), of(x)])
    assert match.earlier == 1 and match.same and match.sign == sign


def test_one_month_more_or_fewer_names_is_the_same() -> None:
    x = drawn()
    assert correlation(of(x), of(x[:-1], DAYS[:-1])) == pytest.approx(1)
    assert matches([of(x[:, 20:], DAYS, IDS[20:])], [of(x)])[0][0].same
    sparse = np.where(np.random.default_rng(1).random(x.shape) < 0.3, np.nan, x)
    assert matches([of(sparse)], [of(x)])[0][0].same


def test_the_names_that_score_highest_are_compared_among_themselves() -> None:
    x = drawn()
    best = np.where(stats.rankdata(x, axis=1) > COMPANIES - 60, x, np.nan)
    assert matches([of(best)], [of(x)])[0][0].same


def test_too_few_dates_or_names_cannot_be_compared() -> None:
    x = drawn()
    few = of(x[:40], DAYS[:40])
    assert np.isnan(correlation(few, of(x[:11], DAYS[:11])))
    assert np.isnan(correlation(of(x), of(x[:, :49], DAYS, IDS[:49])))
    assert np.isfinite(correlation(few, of(x[:12], DAYS[:12])))
    assert np.isfinite(correlation(of(x), of(x[:, :50], DAYS, IDS[:50])))


def test_the_correlation_is_the_mean_spearman() -> None:
    x, y = drawn(), drawn() + 0.5 * drawn(1)
    a = of(x)
    rows = np.searchsorted(DAYS, a.dates)
    expected = np.mean([stats.spearmanr(x[i], y[i]).statistic for i in rows])
    assert correlation(a, of(y)) == pytest.approx(expected, abs=1e-6)


def test_near_is_near_and_most_alike_comes_first() -> None:
    x = drawn()
    variants = [x + scale * drawn(5) for scale in (0.4, 0.1, 0.25, 3.0)]
    (found,) = matches([of(x)], [of(v) for v in variants])
    assert [match.earlier for match in found] == [1, 2, 0]
    assert all(NEAR <= match.rho < 0.999 for match in found)


def test_only_earlier_ones_count() -> None:
    many = [of(drawn(seed)) for seed in range(3)] + [of(drawn(1))]
    found = matches(many, many, range(4))
    assert [[m.earlier for m in each] for each in found] == [[], [], [], [1]]


def test_the_sift_finds_what_comparing_every_pair_finds() -> None:
    random = np.random.default_rng(2)
    bases = [drawn(seed) for seed in range(10)]
    new = []
    for _ in range(40):
        x = bases[random.integers(10)] + random.uniform(0, 1.2) * random.standard_normal((MONTHS, COMPANIES))
        x[random.random(x.shape) < random.uniform(0, 0.4)] = np.nan
        first = int(random.integers(0, 60))
        new.append(of(x[first:], DAYS[first:]))
    earlier = [of(base) for base in bases]
    for one, found in zip(new, matches(new, earlier), strict=True):
        exact = {i: correlation(one, other) for i, other in enumerate(earlier)}
        assert {m.earlier: m.rho for m in found} == {i: rho for i, rho in exact.items() if abs(rho) >= NEAR}


def test_june_and_december_come_first_and_few_are_enough() -> None:
    days = (np.datetime64("1970-01", "M") + np.arange(660)).astype("datetime64[D]") + 27
    long = of(np.random.default_rng(0).standard_normal((660, COMPANIES)), days)
    months = long.dates.astype("datetime64[M]").astype(int) % 12 + 1
    assert len(months) == DATES and set(months) == {6, 12}
    short = of(drawn()[:50], DAYS[:50])
    assert len(short.dates) == 50


def test_the_last_date_of_a_month_is_its_end() -> None:
    days = np.arange("2010-01-01", "2011-06-01", 7, dtype="datetime64[D]")
    weekly = of(np.random.default_rng(0).standard_normal((len(days), COMPANIES)), days)
    assert len(weekly.dates) == 17
    assert (weekly.dates.astype("datetime64[M]") != (weekly.dates + 7).astype("datetime64[M]")).all()


def test_hashes() -> None:
    x = drawn()
    assert of(x).hash == of(2 * x + 1).hash != of(drawn(1)).hash
    assert values_hash(x, DAYS, IDS) == values_hash(np.exp(x), DAYS, IDS)
    changed = x.copy()
    changed[3, [4, 5]] = changed[3, [5, 4]]
    for other in ((changed, DAYS, IDS), (x, DAYS + 1, IDS), (x, DAYS, IDS + 1)):
        assert values_hash(*other) != values_hash(x, DAYS, IDS)
