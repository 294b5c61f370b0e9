from __future__ import annotations

import numpy as np
import pytest

from nexus.ingest.simulate import Truths, disguises, noise_factors, variants
from nexus.maths.ic import rank_ic
from nexus.maths.stats import rank_autocorrelation
from nexus.maths.types import Floats


def month_mean(one: Floats, other: Floats) -> float:
    return float(np.nanmean(rank_ic(one, other)))


@pytest.mark.parametrize("persistence", [0.0, 0.9, 0.98, 1.0])
@pytest.mark.parametrize(("style_sd", "sd"), [(None, 0.0447), (0.15, 0.15)])
def test_noise_means_nothing_as_noisily_as_asked(
    markets: list[Truths], persistence: float, style_sd: float | None, sd: float
) -> None:
    means, sds, kept = [], [], []
    for market in markets[:3]:
        for scores in noise_factors(1, 3, persistence, style_sd, market):
            ic = rank_ic(scores, market.forward[21])[:-1]
            means.append(ic.mean() / (ic.std(ddof=1) / np.sqrt(len(ic))))
            sds.append(ic.std(ddof=1))
            kept.append(np.nanmean(rank_autocorrelation(scores)))
            np.testing.assert_array_equal(np.isfinite(scores), market.member)
    assert np.abs(np.mean(means)) < 4 / np.sqrt(len(means))
    assert np.mean(sds) == pytest.approx(sd, rel=0.1)
    assert np.mean(kept) == pytest.approx(persistence, abs=0.02)  # a direction of unit length turns a little faster


def test_noise_of_another_seed_is_another(markets: list[Truths]) -> None:
    one, other = (noise_factors(seed, 1, 0.9, None, markets[0])[0] for seed in (1, 2))
    assert abs(month_mean(one, other)) < 0.02


def test_noise_beyond_the_styles_is_refused(markets: list[Truths]) -> None:
    with pytest.raises(ValueError, match=r"style_sd 0\.4"):
        noise_factors(1, 1, 0.9, 0.4, markets[0])


def test_disguises_are_the_same_ranks(markets: list[Truths]) -> None:
    score = markets[0].scores["P1"]
    for name, disguise in disguises(score).items():
        assert not np.array_equal(disguise, score, equal_nan=True)
        assert month_mean(disguise, score) == pytest.approx(-1 if name == "negative" else 1)


def test_variants_are_near_but_not_the_same(markets: list[Truths]) -> None:
    score = markets[0].scores["P1"]
    found = [month_mean(variant, score) for variant in variants(1, score)]
    assert len(found) == 20
    np.testing.assert_allclose(found, np.linspace(0.92, 0.99, 20), atol=0.005)
