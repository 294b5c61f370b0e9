"""What is asked of rows sorted once is what the functions of arrays say."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.maths import ic, stats
from nexus.maths.ordered import Ordered
from nexus.maths.types import Floats


def draw(seed: int, different: int, missing: float) -> Floats:
    random = np.random.default_rng(seed)
    values = np.round(random.standard_normal((40, 60)) * different)
    values[random.random(values.shape) < missing] = np.nan
    values[3], values[4, :58], values[5] = np.nan, np.nan, 7.0
    return values


@pytest.mark.parametrize("different", [1, 5, 10**6])
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.95])
def test_ranks_and_correlations(different: int, missing: float) -> None:
    scores, forward = draw(1, different, missing), draw(2, 10**6, missing)
    order = Ordered.of(scores)
    np.testing.assert_array_equal(order.ranks(), stats.ranks(scores))
    np.testing.assert_array_equal(order.centred_ranks(), stats.centred_ranks(scores))
    for other in (forward, draw(3, different, missing)):
        np.testing.assert_allclose(order.rank_ic(Ordered.of(other)), ic.rank_ic(scores, other), rtol=1e-15)


def test_only_some_rows() -> None:
    scores, forward = draw(1, 5, 0.1), draw(2, 5, 0.1)
    rows = np.arange(40) % 3 == 0
    expected = np.where(rows, ic.rank_ic(scores, forward), np.nan)
    np.testing.assert_allclose(Ordered.of(scores).only(rows).rank_ic(Ordered.of(forward)), expected, rtol=1e-15)


@pytest.mark.parametrize("different", [1, 5, 10**6])
def test_ties_are_counted(different: int) -> None:
    scores = draw(1, different, 0.2)
    order = Ordered.of(scores)
    for row, distinct, commonest in zip(scores, order.distinct(), order.commonest(), strict=True):
        known = row[np.isfinite(row)]
        _, counts = np.unique(known, return_counts=True)
        assert distinct == len(counts)
        assert commonest == (counts.max() / len(known)) if len(known) else np.isnan(commonest)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="same dates and names"):
        Ordered.of(np.ones((3, 4))).rank_ic(Ordered.of(np.ones((4, 3))))


def test_doubled_ranks_are_whole() -> None:
    scores = draw(1, 5, 0.3)
    expected = np.nan_to_num(2 * stats.ranks(scores)).astype(np.int32)
    np.testing.assert_array_equal(Ordered.of(scores).doubled, expected)
